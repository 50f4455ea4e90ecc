"""The targets: a table of what each is called, which words it takes and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy import launcher
from deploy.choice import choose, must_run, running
from deploy.console import Console
from deploy.engines import ENGINES
from deploy.errors import impossible
from deploy.settings import Settings
from deploy.state import alone, used
from deploy.variables import SERVICES, Variable, number, one_of, replicas, shaped, switch, text

Words = dict[str, Any]
Run = Callable[[Settings, Console, Words], int | None]
EVERY_SERVICE = (*SERVICES, "nginx", "postgres")


@dataclass(frozen=True)
class Target:
    help: str
    run: Run
    words: tuple[Variable, ...] = ()
    needs: tuple[str, ...] = ()


def service(*choices: str) -> Variable:
    return Variable("SERVICE", "", one_of(*choices), ", ".join(choices))


def up(settings: Settings, say: Console, words: Words) -> None:
    launcher.check(settings, SERVICES)
    with alone(settings.run, "up"):
        now = running(settings, say)
        if now:
            same_engine(settings, now.name)
            return now.up()
        name, why = choose(settings)
        say(f"engine: {name} ({why})")
        used(settings.run, name)
        ENGINES[name](settings, say).up()


def same_engine(settings: Settings, name: str) -> None:
    if settings.engine not in ("auto", name):
        raise impossible(f"the stack runs on {name} already; ./ponte down stops it")


def down(settings: Settings, say: Console, words: Words) -> None:
    with alone(settings.run, "down"):
        must_run(settings, say).down()


def clean(settings: Settings, say: Console, words: Words) -> None:
    from deploy.clean import clean

    clean(settings, say)


def ps(settings: Settings, say: Console, words: Words) -> None:
    from deploy.listing import show

    show(must_run(settings, say).ps(), words["format"], say)


def logs(settings: Settings, say: Console, words: Words) -> None:
    must_run(settings, say).logs(words["service"], words["follow"])


def restart(settings: Settings, say: Console, words: Words) -> None:
    with alone(settings.run, "restart"):
        must_run(settings, say).restart(words["service"])


def scale(settings: Settings, say: Console, words: Words) -> None:
    with alone(settings.run, "scale"):
        must_run(settings, say).scale(words["service"], words["replicas"])


def reload(settings: Settings, say: Console, words: Words) -> None:
    with alone(settings.run, "reload"):
        must_run(settings, say).reload()


def config(settings: Settings, say: Console, words: Words) -> None:
    engine = running(settings, say) or ENGINES[choose(settings)[0]](settings, say)
    for title, rendered in engine.config().items():
        say.answer(f"# ==== {title}\n{rendered.rstrip()}\n")


def shell(settings: Settings, say: Console, words: Words) -> int:
    return must_run(settings, say).shell(words["service"])


def psql(settings: Settings, say: Console, words: Words) -> int:
    return must_run(settings, say).psql()


def later(module: str, name: str) -> Run:
    """A target that lives in a module of its own, imported when it is called."""

    def run(settings: Settings, say: Console, words: Words) -> int | None:
        from importlib import import_module

        return getattr(import_module(f"deploy.{module}"), name)(settings, say, words)

    return run


FORMAT = Variable("FORMAT", "table", one_of("table", "json"), "table or json")
FOLLOW = Variable("FOLLOW", "0", switch, "1 stays and prints new lines")
REPLICAS = Variable("REPLICAS", "", replicas, "how many, 1 to 64")
LOAD = (
    service(*SERVICES),
    Variable("USERS", "20", number(1, 100_000, "a number of users"), "concurrent users"),
    Variable(
        "RATE", "5", shaped(r"\d{1,6}(\.\d{1,6})?", "a rate; write users a second, 5 or 0.5"), "users started a second"
    ),
    Variable(
        "TIME", "30s", shaped(r"(\d{1,4}[hms]){1,3}", "a time; write 30s, 2m or 1h30m"), "how long, such as 30s or 2m"
    ),
    Variable("PROCESSES", "", number(1, 64, "a number of processes"), "processes that make the load"),
    Variable("HOST", "", shaped(r"https?://\S+", "an address; write http://HOST:PORT"), "another stack's address"),
)
TIER = Variable("TIER", "quick", one_of("quick", "full"), "quick or full")
PATH = Variable("T", "", text, "a test file or folder")

TARGETS: dict[str, Target] = {
    "up": Target("Start the stack and wait until every replica is ready.", up),
    "down": Target("Stop gracefully, keep the data.", down),
    "clean": Target("Stop, and remove data, rendered files and .run/venv.", clean),
    "ps": Target("Show every replica.", ps, (FORMAT,)),
    "logs": Target("Show logs.", logs, (service(*EVERY_SERVICE, "migrate"), FOLLOW)),
    "restart": Target("Restart replica by replica.", restart, (service(*EVERY_SERVICE),)),
    "scale": Target(
        "Change the number of replicas of a service.",
        scale,
        (service(*SERVICES), REPLICAS),
        needs=("SERVICE", "REPLICAS"),
    ),
    "reload": Target("Render, test and reload the nginx configuration.", reload),
    "config": Target("Print the rendered configuration.", config),
    "shell": Target("Open a shell in a replica.", shell, (service(*EVERY_SERVICE),), ("SERVICE",)),
    "psql": Target("Open the database.", psql),
    "doctor": Target("Say what this machine lacks, each with its mend.", later("doctor", "doctor")),
    "test": Target("Run the tests.", later("tasks", "test"), (PATH, TIER)),
    "check": Target("Run formatters, linters and types; changes nothing.", later("tasks", "check")),
    "load": Target("Run the load tests without a window.", later("tasks", "load"), LOAD),
    "locust": Target("Open the Locust UI.", later("tasks", "locust"), LOAD[-1:]),
}
