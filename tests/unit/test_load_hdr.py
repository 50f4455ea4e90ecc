"""Export for HdrHistogram's plotters."""

import numpy as np

from loadtests.measure.hdr import hgrm


def rows(text: str) -> list[list[float]]:
    return [
        [float(word) for word in line.split()] for line in text.splitlines()[2:] if line and not line.startswith("#")
    ]


def test_values_ascend_to_the_maximum_and_counts_to_the_total():
    values = np.random.default_rng(1).exponential(0.01, 5000)
    found = rows(hgrm(values))

    assert [row[0] for row in found] == sorted(row[0] for row in found)
    assert found[-1][:3] == [round(float(values.max()) * 1000, 3), 1.0, 5000]


def test_each_line_is_exact():
    found = {round(row[1], 3): row[0] for row in rows(hgrm(np.arange(1, 1001) / 1000))}

    assert found[0.5] == 500.0


def test_nothing_measured_is_an_empty_distribution():
    assert "Total count    =            0" in hgrm(np.array([]))
