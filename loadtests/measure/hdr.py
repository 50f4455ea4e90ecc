"""The distribution of latencies as text that HdrHistogram's plotters read (`.hgrm`), from exact values.

Source: the format of HdrHistogram's outputPercentileDistribution; values in milliseconds.
"""

import numpy as np

HEAD = f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}\n\n"
TICKS_PER_HALF = 5  # points until the distance to 100 % has halved


def hgrm(seconds: np.ndarray) -> str:
    """One line for each of the percentiles that HdrHistogram prints, then its summary."""
    ordered = np.sort(seconds) * 1000
    ranks = sorted({rank(share, len(ordered)) for share in shares(len(ordered))}) if len(ordered) else []
    lines = [line(ordered[at - 1], at, len(ordered)) for at in ranks]
    mean, deviation = (float(np.mean(ordered)), float(np.std(ordered))) if len(ordered) else (0.0, 0.0)
    top = float(ordered[-1]) if len(ordered) else 0.0
    foot = f"#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]\n#[Max     = {top:12.3f}, Total count    = {len(ordered):12d}]\n"
    return HEAD + "".join(lines) + foot


def shares(count: int) -> list[float]:
    halves = int(np.ceil(np.log2(max(count, 2))))
    return [0.0] + [1 - 0.5 ** (step / TICKS_PER_HALF) for step in range(1, halves * TICKS_PER_HALF + 1)] + [1.0]


def rank(share: float, count: int) -> int:
    return max(1, min(count, int(np.ceil(share * count))))


def line(value: float, at: int, count: int) -> str:
    share = at / count
    rest = f"{1 / (1 - share):14.2f}" if at < count else f"{'inf':>14}"
    return f"{value:12.3f} {share:14.12f} {at:10d} {rest}\n"
