"""`make gate SLO= RUN=`: a stored run against thresholds, for CI; exit code 1 when one does not hold."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loadtests.errors import Stop
from loadtests.measure.validity import WORDS
from loadtests.report.runs import REPORTS, NotARun, Run, Runs

DEFAULT = Path(__file__).with_name("slo.toml")
# threshold -> the point's figure it bounds from above
BOUNDS = {
    "p50": lambda point: point["latency"].get("p50"),
    "p95": lambda point: point["latency"].get("p95"),
    "p99": lambda point: point["latency"].get("p99"),
    "errors": lambda point: point["errors"] / point["requests"] if point["requests"] else 1.0,
    "imbalance": lambda point: point.get("balance"),
}


def main(given: Mapping[str, str]) -> int:
    runs = Runs(REPORTS)
    try:
        run = runs.load(given["RUN"]) if given.get("RUN") else newest(runs)
    except NotARun as error:
        raise Stop(str(error), 2) from None
    gate = thresholds(Path(given.get("SLO") or DEFAULT))
    broken = list(verdict(run, gate)) + list(points(run, gate))
    for sentence in broken:
        print(sentence)
    print(f"gate: {run['id']} {'fails: ' + str(len(broken)) + ' of its thresholds are broken' if broken else 'passes'}")
    return int(bool(broken))


def newest(runs: Runs) -> Run:
    found = runs.latest("load")
    if not found:
        raise Stop("no run of make load is stored yet; make one with ./ponte load", 3)
    return runs.load(found.name)


def thresholds(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text())["gate"]
    except OSError as error:
        raise Stop(f"SLO={str(path)!r} cannot be read ({error.strerror})", 2) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Stop(f"SLO={str(path)!r} is no TOML ({error})", 2) from None
    except KeyError:
        raise Stop(f"SLO={str(path)!r} has no [gate]; loadtests/slo.toml shows one", 2) from None
    unknown = set(found) - set(BOUNDS) - {"up_to", "verdict"}
    if unknown:
        raise Stop(
            f"SLO={str(path)!r} names {sorted(unknown)[0]!r}; choose from {', '.join([*BOUNDS, 'up_to', 'verdict'])}", 2
        )
    if found.get("verdict", WORDS[0]) not in WORDS:
        raise Stop(f"SLO={str(path)!r} has verdict={found['verdict']!r}; choose from {', '.join(WORDS)}", 2)
    return found


def verdict(run: Run, gate: Mapping[str, Any]) -> Iterator[str]:
    """A run that may not be believed cannot pass, whatever its figures."""
    worst = gate.get("verdict", "suspect")
    if WORDS.index(run["verdict"]["word"]) > WORDS.index(worst):
        yield f"the measurement is {run['verdict']['word']}: {'; '.join(run['verdict']['reasons'][:2])}"


def points(run: Run, gate: Mapping[str, Any]) -> Iterator[str]:
    judged = [point for point in run["points"] if counts(point, gate)]
    if not judged:
        yield "no stage of this run is below `up_to`, so nothing was judged"
    for point in judged:
        for name, figure in BOUNDS.items():
            value = figure(point)
            if name in gate and (
                (value is None and name.startswith("p")) or (value is not None and value > gate[name])
            ):
                yield f"{point['key']} (repetition {point['repetition']}): {name} is {shown(name, value)}, allowed is {shown(name, gate[name])}"


def counts(point: Mapping[str, Any], gate: Mapping[str, Any]) -> bool:
    """Stages are named by their share of the peak, `50%`; those of a RATE= run, `200/s`, all count."""
    share = point["stage"].rpartition(" ")[2].removesuffix("%")
    if point["offered"] is None or point.get("left_out"):
        return False
    return not share.isdigit() or int(share) / 100 <= gate.get("up_to", 1.0)


def shown(name: str, value: float | None) -> str:
    if value is None:
        return "unknown: nothing was answered"
    return f"{value * 1000:.1f} ms" if name.startswith("p") else f"{value:.2%}" if name == "errors" else f"{value:.2f}"
