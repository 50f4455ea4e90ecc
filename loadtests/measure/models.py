"""Scalability: fits of the Universal Scalability Law and a roofline, the choice between them, a recommendation."""

from loadtests.measure.advice import Recommendation, recommendation
from loadtests.measure.choice import Choice, Peak, choose, peak
from loadtests.measure.fits import MODELS, Fit, fit, held_out
from loadtests.measure.repetitions import Measured
from loadtests.measure.scaling import Point, arrangement_notes, arrangements, superlinear

__all__ = [
    "MODELS",
    "Choice",
    "Fit",
    "Measured",
    "Peak",
    "Point",
    "Recommendation",
    "arrangement_notes",
    "arrangements",
    "choose",
    "fit",
    "held_out",
    "peak",
    "recommendation",
    "superlinear",
]
