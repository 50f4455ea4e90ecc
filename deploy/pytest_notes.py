"""A pytest plugin: what `./ponte test` left out stands in the summary, above pytest's closing line."""

import os

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for note in filter(None, os.environ.get("PONTE_NOTES", "").splitlines()):
        terminalreporter.write_line(f"SKIPPED {note}")
