"""What a replica runs: a tree of apps/ and the word it goes by; and what both engines say when a release fails."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from deploy.console import Console
from deploy.errors import Answer, Failure
from deploy.run import undisturbed
from deploy.settings import Settings
from deploy.tree import tree

SETTLE_SECONDS = 3  # a new replica is watched in routing before the old ones leave
UNNAMED = "dev"  # what RELEASE is when nobody set it


@dataclass(frozen=True)
class Release:
    tree: str  # hash of apps/
    release: str  # RELEASE

    def __str__(self) -> str:
        return self.tree if self.release == UNNAMED else f"{self.release} ({self.tree})"


@dataclass(frozen=True)
class Standing:
    """What a service runs, and what it can go back to."""

    now: Release
    before: Release | None = None


def of_checkout(settings: Settings, now: Release) -> Release:
    """What a deploy would release; the tree that runs already keeps its name unless another is given."""
    found = tree(settings.root, ("apps",))
    kept = now.release if found == now.tree else UNNAMED
    return Release(found, settings.given.get("RELEASE", kept))


def serving(standings: Mapping[str, Any], services: Iterable[str]) -> str:
    """What these services run, in words; `standings` by service, of any engine."""
    return " and ".join(dict.fromkeys(str(standings[name].now) for name in services))


def go_back(error: BaseException, undo: Callable[[], None], serves: str, say: Console) -> NoReturn:
    """Undoes what was begun, undisturbed; a failure is told with what came of that, anything else goes on its way."""
    with undisturbed():
        say(f"going back to release {serves}")
        try:
            undo()
        except Failure as second:
            sentence = f"going back failed: {second}; ./ponte up tries it again"
        else:
            sentence = f"rolled back, release {serves} serves"
    if not isinstance(error, Failure):
        raise error
    refuse(error, sentence)


def refuse(error: Failure, sentence: str) -> NoReturn:
    """What failed and what serves in the first line, the last words of its log below."""
    why, newline, words = str(error).partition("\n")
    raise Answer(f"{why}; {sentence}{newline}{words}") from None
