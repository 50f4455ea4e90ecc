"""Copies of the tree as it was at `up`: a crash, `scale` or `restart` starts the same code again.

With DEV=1 the checkout itself runs: there an edit is meant to be seen.
"""

from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

from deploy.native.layout import Layout
from deploy.native.record import Record
from deploy.settings import Settings

IGNORED = ignore_patterns("__pycache__", "*.pyc")


def apps(record: Record, settings: Settings, layout: Layout) -> Path:
    if settings.dev:
        return settings.root / "apps"
    folder = layout.releases / record.tree
    if not folder.exists():
        copy(settings.root / "apps", folder / "apps")
    return folder / "apps"


def nginx(settings: Settings, layout: Layout) -> Path:
    """The configuration and the site; `reload` brings in what was edited since."""
    if settings.dev:
        return settings.root / "nginx"
    if not layout.edge.exists():
        copy(settings.root / "nginx", layout.edge)
    return layout.edge


def refresh_nginx(settings: Settings, layout: Layout) -> None:
    rmtree(layout.edge, ignore_errors=True)
    nginx(settings, layout)


def forget_others(record: Record, layout: Layout) -> None:
    """At the start of a stack nothing runs an older copy any more."""
    for folder in layout.releases.iterdir():
        if folder.name != record.tree:
            rmtree(folder)


def copy(source: Path, target: Path) -> None:
    """Renamed at the end: a folder with the real name is whole."""
    draft = target.with_name(f".{target.name}.draft")
    rmtree(draft, ignore_errors=True)
    copytree(source, draft, ignore=IGNORED)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(target)
