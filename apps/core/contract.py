"""The routes every application answers, relative to its path, with the methods of each."""

import re

ROUTES: dict[str, tuple[str, ...]] = {
    "/": ("GET",),
    "/healthz": ("GET",),
    "/readyz": ("GET",),
    "/headers": ("GET",),
    "/plaintext": ("GET",),
    "/json": ("GET",),
    "/cpu": ("GET",),
    "/wait": ("GET",),
    "/query": ("GET",),
    "/messages": ("GET", "POST"),
    "/poll": ("GET",),
    "/echo": ("POST",),
    "/digest": ("POST",),
    "/stream": ("GET",),
    "/session": ("GET", "POST"),
    "/jobs": ("POST",),
    "/jobs/{id}": ("GET",),
    "/events": ("GET",),
    "/ws/echo": ("GET",),
    "/ws/chat": ("GET",),
    "/metrics": ("GET",),
}
JOB_PATH = re.compile("/jobs/[^/]+")


def route(path: str) -> str | None:
    """The route a path belongs to: '/jobs/17' -> '/jobs/{id}'; None when there is none."""
    if path in ROUTES:
        return path
    return "/jobs/{id}" if JOB_PATH.fullmatch(path) else None
