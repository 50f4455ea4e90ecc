"""What stops a measurement, as a sentence."""


class Unusable(Exception):
    """The target, or what was asked for, cannot be measured; the sentence says why."""


def positive(**given: float) -> None:
    """Unusable when one of these is 0 or below."""
    for name, value in given.items():
        if not value > 0:
            raise Unusable(f"{name} must be above 0, not {value}")
