"""`./ponte new`: writes a project of your own, all of it or nothing."""

import re
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp

from deploy.console import Console
from deploy.errors import Refused, impossible
from deploy.new import choice, copying
from deploy.new.choice import Choice
from deploy.run import quiet
from deploy.settings import Settings

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # what Compose takes as the name of a project
KEPT_MIGRATIONS = "apps/django/ stays in part: its migrations make the tables, whatever asks for them"


def new(settings: Settings, say: Console, words: dict[str, str]) -> None:
    services, engines = choice.services(words["apps"] or ""), choice.engines(words["engines"])
    folder = target(settings.root, words["dir"])
    wanted = Choice(folder.name, services, engines)
    files = copying.project(settings.root, wanted)
    write(folder, files, settings.root)
    say.answer(f"{folder}: {len(files)} files; {', '.join(wanted.services)} behind nginx, with PostgreSQL")
    if not wanted.django:
        say.answer(KEPT_MIGRATIONS)
    say.answer(f"next:\n  cd {folder}\n  make test")


def target(root: Path, given: str) -> Path:
    folder = Path(given).expanduser().resolve()
    if not NAME.fullmatch(folder.name):
        raise Refused(f"DIR={given!r} ends in no name of a project; use a-z, 0-9 and -, such as ../shop")
    if folder.is_relative_to(root) or root.is_relative_to(folder):
        raise Refused(f"DIR={given!r} is inside this checkout, or around it; name a folder beside it, such as ../shop")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"DIR={given!r} exists and is not an empty folder; name another")
    if not folder.parent.is_dir():
        raise Refused(f"DIR={given!r}: {folder.parent} does not exist; make it, or name another")
    return folder


def write(folder: Path, files: dict[str, bytes], source: Path) -> None:
    """Beside it first, then by one rename."""
    made = Path(mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for path, content in files.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_bytes(content)
            if (source / path).exists():
                shutil.copymode(source / path, made / path)
        tidy(made)
        made.chmod(0o755)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made)
        raise


def tidy(folder: Path) -> None:
    """Imports that nothing uses any more go, and lines are broken anew where they became short."""
    for words in (("check", "--fix", "--exit-zero"), ("format",)):
        done = quiet([sys.executable, "-m", "ruff", *words, "--no-cache", "--quiet", folder], capture_output=True)
        if done.returncode:
            raise impossible(f"ruff cannot read what was made: {done.stderr.strip()}")
