"""Is what state.json says true? What a killed command or a killed keeper left is cleared in a sentence."""

from collections.abc import Callable

from deploy import state
from deploy.console import Console
from deploy.errors import impossible
from deploy.native import leftovers, record
from deploy.native.keeping import Keeping
from deploy.native.layout import Layout
from deploy.native.record import Record
from deploy.native.stop import stop_all
from deploy.settings import Settings
from deploy.variables import prefix

NOTHING_UP = "nothing is up; start the stack with ./ponte up"
ANEW = "./ponte up starts the stack anew"


def running(layout: Layout, keeper: Keeping) -> Record:
    """For commands that need a stack: they say what is wrong, `up` mends it."""
    try:
        found = record.load(layout.run)
    except state.Damaged:
        raise impossible(f"state.json is damaged; {ANEW}") from None
    if found is None:
        raise impossible(NOTHING_UP)
    if not keeper.alive():
        raise impossible(f"the keeper of this stack is gone; {ANEW}")
    return found


def mended(layout: Layout, keeper: Keeping, say: Console) -> tuple[Record | None, bool]:
    """(the record, whether its stack runs); a stack that is not whole has been cleared away."""
    try:
        found = record.load(layout.run)
    except state.Damaged:
        found, why = None, "state.json is damaged"
    else:
        why = wrong(found, keeper.alive)
    if why:
        say(f"{why}; clearing away what is left, the data stay")
        clear(layout, keeper, say)
    return found, bool(found) and not why


def wrong(found: Record | None, alive: Callable[[], bool]) -> str:
    """Why this is no stack that runs; empty when it does, or when there is none."""
    if alive():
        return "" if found and found.phase != "starting" else "a start was cut short"
    return "the keeper of the last stack is gone" if found else ""


def anything(layout: Layout, keeper: Keeping) -> bool:
    """Is there a stack, or what is left of one?"""
    try:
        return bool(record.load(layout.run) or keeper.alive() or leftovers.find(layout))
    except state.Damaged:
        return True


def clear(layout: Layout, keeper: Keeping, say: Console) -> None:
    with say.progress("stopping: nginx, replicas, PostgreSQL"):
        stop_all(keeper, layout)
        leftovers.end(layout, say)


def as_it_was(settings: Settings, found: Record) -> Settings:
    """The settings of a stack that comes back after its keeper died: its own, unless typed anew."""
    counts = {f"{prefix(service)}_REPLICAS": str(count) for service, count in found.counts.items()}
    given = {**settings.given, **counts, **found.words, **settings.words}
    return settings.again(given, {**found.words, **settings.words})
