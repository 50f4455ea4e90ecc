"""Copies of the tree as it was when it was released: a crash, `scale` or `restart` starts the same code again.

With DEV=1 the checkout itself runs: there an edit is meant to be seen.
"""

from dataclasses import replace
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

from deploy import environment, launcher
from deploy.console import Console
from deploy.native.layout import Layout
from deploy.native.record import Record
from deploy.settings import Settings
from deploy.variables import SERVICES

LOCK = "requirements.txt"
IGNORED = ignore_patterns("__pycache__", "*.pyc")


def apps(tree: str, settings: Settings, layout: Layout) -> Path:
    return settings.root / "apps" if settings.dev else layout.releases / tree / "apps"


def there(tree: str, layout: Layout) -> bool:
    return (layout.releases / tree / "apps").exists()


def take(tree: str, settings: Settings, layout: Layout) -> None:
    """Copies the checkout's apps/, whose tree this is."""
    if not settings.dev and not there(tree, layout):
        copy(settings.root / "apps", layout.releases / tree / "apps")


def within(tree: str, settings: Settings, layout: Layout) -> Settings:
    """The same settings, whose launcher is the release's own."""
    return settings if settings.dev else replace(settings, root=layout.releases / tree)


def python(tree: str, layout: Layout) -> Path:
    own = venv(tree, layout)
    return own / "bin" / "python" if (own / environment.STAMP).exists() else layout.python


def equip(tree: str, settings: Settings, layout: Layout, say: Console) -> None:
    """A release whose packages are not those of .run/venv gets a venv of its own; every one where that is not shared."""
    if settings.dev:
        return
    release, own = within(tree, settings, layout), venv(tree, layout)
    sets = (launcher.APPS, *launcher.packages(release, SERVICES))
    locks = {name: release.root / name / LOCK for name in sets}
    if layout.shares_venv and all(environment.holds(settings.root, name, lock) for name, lock in locks.items()):
        return
    differs = f" ({LOCK} differs from what .run/venv has)" if layout.shares_venv else ""
    if not environment.complete(own, *locks.values()):
        say(f"installing what release {tree} needs{differs}")
        environment.build(settings.root, own, *locks.values())


def venv(tree: str, layout: Layout) -> Path:
    return layout.releases / tree / "venv"


def nginx(settings: Settings, layout: Layout) -> Path:
    """The configuration and the site; `reload` brings in what was edited since."""
    if settings.dev:
        return settings.root / "nginx"
    if not layout.edge.exists():
        copy(settings.root / "nginx", layout.edge)
    return layout.edge


def refresh_nginx(settings: Settings, layout: Layout) -> None:
    """(!) File by file: nginx serves the site from there, and while a folder is replaced its pages would be 404."""
    if settings.dev or not layout.edge.exists():
        rmtree(layout.edge, ignore_errors=True)
        nginx(settings, layout)
        return
    fresh = layout.edge.with_name(f".{layout.edge.name}.fresh")
    rmtree(fresh, ignore_errors=True)
    copy(settings.root / "nginx", fresh)
    names = {path.relative_to(fresh) for path in fresh.rglob("*")}
    for name in sorted(names):
        if (fresh / name).is_dir():
            (layout.edge / name).mkdir(exist_ok=True)
        else:
            (fresh / name).replace(layout.edge / name)
    for path in sorted(layout.edge.rglob("*"), reverse=True):
        if path.relative_to(layout.edge) not in names:
            path.rmdir() if path.is_dir() else path.unlink()
    rmtree(fresh)


def forget_others(record: Record, layout: Layout) -> None:
    """Keeps what runs and what can be returned to, and the newest of the rest where there is room for more."""
    kept = record.trees()
    others = [folder for folder in layout.releases.iterdir() if folder.name not in kept]
    newest = sorted((each for each in others if not each.name.startswith(".")), key=lambda each: -each.stat().st_mtime)
    for folder in set(others) - set(newest[: max(0, layout.kept_releases - len(kept))]):
        rmtree(folder)


def copy(source: Path, target: Path) -> None:
    """Renamed at the end: a folder with the real name is whole."""
    draft = target.with_name(f".{target.name}.draft")
    rmtree(draft, ignore_errors=True)
    copytree(source, draft, ignore=IGNORED)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(target)
