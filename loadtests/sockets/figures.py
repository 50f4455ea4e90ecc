"""What a phase found: frozen dataclasses of figures, with the raw samples beside them as arrays."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from loadtests.measure.statistics import quantile

Array = np.ndarray


def percentile(name: str, values: Array) -> float:
    """`quantile` of the finite values; nan when there is none."""
    finite = values[np.isfinite(values)]
    return quantile(name, finite) if len(finite) else float("nan")


def figures(result: Any) -> Any:
    """A result without its arrays, as plain dictionaries: for run.json."""
    if is_dataclass(result) and not isinstance(result, type):
        named = {field.name: getattr(result, field.name) for field in fields(result)}
        return {name: figures(value) for name, value in named.items() if not isinstance(value, np.ndarray)}
    if isinstance(result, dict):
        return {str(name): figures(value) for name, value in result.items()}
    return result


def arrays(result: Any) -> dict[str, Array]:
    """The raw samples of a result, by name."""
    named = {field.name: getattr(result, field.name) for field in fields(result)}
    return {name: value for name, value in named.items() if isinstance(value, np.ndarray)}
