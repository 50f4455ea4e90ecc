"""`clean`: what this checkout's stack wrote goes; .env, reports/, backups and own certificates stay."""

from pathlib import Path
from shutil import rmtree

from deploy import environment
from deploy.backup.files import folder, there
from deploy.choice import answers, engine_lacks
from deploy.console import Console
from deploy.engines import ENGINES
from deploy.errors import impossible
from deploy.settings import Settings
from deploy.state import alone, was_used


def clean(settings: Settings, say: Console) -> None:
    if not settings.run.exists():
        return say("nothing to remove")
    with alone(settings.run, "clean"):
        refuse_others(settings)
        for name, possible in POSSIBLE.items():
            if possible(settings):
                ENGINES[name](settings, say).clean()
        backups = there(settings)
        remove(settings.run, *{path.parent for path in backups})
    stay = (
        f".env, reports/ and {len(backups)} in {settings.shown(folder(settings))}" if backups else ".env and reports/"
    )
    say(f"removed {settings.shown(settings.run)}; {stay} stay")


def refuse_others(settings: Settings) -> None:
    """Stacks with a run folder of their own may lie in ours, and use its venv."""
    others = [path.parent.name for path in settings.run.glob("*/state.json")]
    if others:
        raise impossible(f"another stack runs in {settings.run.name}/{others[0]}; stop it first")


POSSIBLE = {
    "systemd": lambda settings: (settings.run / "replicas").is_dir(),
    "native": lambda settings: environment.has(settings.root, "deploy/native"),
    # (!) Only a project that was started from here: another checkout may use the same name.
    "compose": lambda settings: was_used(settings.run, "compose") and not engine_lacks(),
    "swarm": lambda settings: (
        was_used(settings.run, "swarm") and not engine_lacks() and answers("docker", "node", "ls")
    ),
}


def remove(folder: Path, *but: Path) -> None:
    """The folder, or all in it but some folders."""
    try:
        for path in [each for each in folder.iterdir() if each not in but] if but else [folder]:
            rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    except OSError as error:
        raise impossible(
            f"{error.filename} cannot be removed ({error.strerror}); it belongs to another user, who can remove it"
        ) from None
