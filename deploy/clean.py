"""`clean`: what this checkout's stack wrote goes; .env, reports/ and own certificates stay."""

from pathlib import Path
from shutil import rmtree

from deploy import environment
from deploy.choice import answers
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
        remove(settings.run)
    say(f"removed {settings.run.relative_to(settings.root)}; .env and reports/ stay")


def refuse_others(settings: Settings) -> None:
    """Stacks with a run folder of their own may lie in ours, and use its venv."""
    others = [path.parent.name for path in settings.run.glob("*/state.json")]
    if others:
        raise impossible(f"another stack runs in {settings.run.name}/{others[0]}; stop it first")


POSSIBLE = {
    "native": lambda settings: environment.has(settings.root, "apps", "deploy/native"),
    # (!) Only a project that was started from here: another checkout may use the same name.
    "compose": lambda settings: (
        was_used(settings.run, "compose")
        and answers("docker", "version", "--format", "{{.Server.Version}}")
        and answers("docker", "compose", "version")
    ),
}


def remove(folder: Path) -> None:
    try:
        rmtree(folder)
    except OSError as error:
        raise impossible(
            f"{error.filename} cannot be removed ({error.strerror}); it belongs to another user, who can remove it"
        ) from None
