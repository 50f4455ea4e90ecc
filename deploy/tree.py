"""Which tree runs: a hash over everything a replica or the edge is made of."""

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

PARTS = ("apps", "nginx", "compose.yaml", ".dockerignore")
SKIP_FOLDERS = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "node_modules"}
SKIP_ENDINGS = (".pyc", "~", ".swp")


def tree(root: Path, parts: Iterable[str] = PARTS) -> str:
    """12 hex digits; the same for the same content, whatever the dates."""
    total = sha256()
    for path in files(root, parts):
        total.update(f"{path.relative_to(root)}\0".encode())
        total.update(sha256(path.read_bytes()).digest())
    return total.hexdigest()[:12]


def files(root: Path, parts: Iterable[str]) -> Iterator[Path]:
    for part in parts:
        if (root / part).is_file():
            yield root / part
        for folder, folders, names in os.walk(root / part):
            folders[:] = sorted(set(folders) - SKIP_FOLDERS)
            yield from (Path(folder, name) for name in sorted(names) if wanted(name))


def wanted(name: str) -> bool:
    return not name.endswith(SKIP_ENDINGS)
