"""The nginx that pairs are put behind."""

from tests.config.conftest import nginx  # noqa: F401
