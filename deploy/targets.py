"""The targets: a table of what each is called, which words it takes and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy import launcher
from deploy.choice import choose, must_run, running
from deploy.console import Console
from deploy.engines import ENGINES
from deploy.errors import impossible
from deploy.new.choice import ALWAYS, OPTIONAL
from deploy.settings import Settings
from deploy.state import alone, used
from deploy.variables import SERVICES, VARIABLES, Variable, above_zero, number, one_of, replicas, shaped, switch, text

Words = dict[str, Any]
Run = Callable[[Settings, Console, Words], int | None]
EVERY_SERVICE = (*SERVICES, "nginx", "postgres")
ASGI = ("django-asgi", "fastapi")


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
        engine = ENGINES[name](settings, say)
        used(settings.run, name)
        engine.up()


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


def deploy(settings: Settings, say: Console, words: Words) -> None:
    with alone(settings.run, "deploy"):
        must_run(settings, say).deploy(chosen(words), words["strategy"])


def rollback(settings: Settings, say: Console, words: Words) -> None:
    with alone(settings.run, "rollback"):
        must_run(settings, say).rollback(chosen(words))


def chosen(words: Words) -> tuple[str, ...]:
    return (words["service"],) if words["service"] else SERVICES


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


def drill_name(value: str) -> str:
    from loadtests.drills.table import DRILLS

    return one_of(*DRILLS)(value)


def later(module: str, name: str) -> Run:
    """A target that lives in a module of its own, imported when it is called."""

    def run(settings: Settings, say: Console, words: Words) -> int | None:
        from importlib import import_module

        return getattr(import_module(f"deploy.{module}"), name)(settings, say, words)

    return run


FORMAT = Variable("FORMAT", "table", one_of("table", "json"), "table or json")
FOLLOW = Variable("FOLLOW", "0", switch, "1 stays and prints new lines")
REPLICAS = Variable("REPLICAS", "", replicas, "how many, 1 to 64")
STRATEGY = Variable(
    "STRATEGY", "rolling", one_of("rolling", "bluegreen"), "rolling: one more replica at a time; bluegreen: all at once"
)
FILE = Variable("FILE", "", text, "the file of a backup; without it a new one, or the newest, in .run/backups")
KEEP = Variable("KEEP", "7", number(0, 100_000, "a number of backups"), "the newest that stay; 0 keeps all")
HOST = Variable("HOST", "", shaped(r"https?://[^\s/]\S*", "an address; write http://HOST:PORT"), "another address")
ARRIVALS = "a rate; write arrivals a second, 50 or 0.5"
QUICK = Variable("QUICK", "", switch, "1 takes a fifth of the time")
REPETITIONS = Variable("N", "", number(1, 1000, "a number of repetitions"), "how often each is done")
MIX = Variable("MIX", "", text, "what is asked for: a mix such as cpu, query or upload, or a path")
FULL = Variable("FULL", "", switch, "1 measures everything, for long; it says first how long")
LOAD = (
    service(*SERVICES),
    Variable("USERS", "", number(1, 100_000, "a number of users"), "users who never pause, for the peak"),
    Variable("RATE", "", above_zero(ARRIVALS), "one rate, instead of steps"),
    Variable(
        "TIME", "", shaped(r"(\d{1,4}h)?(\d{1,4}m)?(\d{1,5}s)?", "a time; write 30s, 2m or 1h30m"), "of each stage"
    ),
    Variable("PROCESSES", "", number(1, 64, "a number of processes"), "processes that make the load"),
    HOST,
    MIX,
    REPETITIONS,
    QUICK,
    FULL,
)
SCALING = (
    service(*SERVICES),
    LOAD[1],
    Variable("CPU_QUOTA", "", above_zero("a share of a CPU; write 0.1"), "CPUs for each worker"),
    MIX,
    REPETITIONS,
    QUICK,
    FULL,
)
LOST = (
    VARIABLES["SERVER"],  # (!) the same: click knows one option of a name. Here also: all
    REPETITIONS,
    QUICK,
)
MATRIX = (
    VARIABLES["SERVER"],
    Variable("FRAMEWORK", "", text, "a service, or a framework beside them"),
    Variable("QUICK", "", switch, "1 takes each server once and each framework once"),
)
COMPARE = (
    Variable("A", "", text, "the name of a run in reports/"),
    Variable("B", "", text, "the name of the run it is compared with"),
)
GATE = (
    Variable("SLO", "", text, "a file of thresholds; default loadtests/slo.toml"),
    Variable("RUN", "", text, "the name of a run in reports/; default the newest of make load"),
)
DRILL = Variable("DRILL", "", drill_name, "the name of a drill; without it they are listed")
TIER = Variable("TIER", "quick", one_of("quick", "full"), "quick or full")
PATH = Variable("T", "", text, "a test file or folder")
NEW = (
    Variable("DIR", "", text, "where to, a folder that does not exist yet; its name is the project's"),
    Variable("APPS", "", text, f"applications it begins with, separated by commas: {', '.join(SERVICES)}"),
    Variable("ENGINES", "", text, f"which go along beside {' and '.join(ALWAYS)}: {', '.join(OPTIONAL)}; default all"),
)

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
    "deploy": Target("Release the tree as it is now, or keep the old one.", deploy, (service(*SERVICES), STRATEGY)),
    "rollback": Target("Release again what ran before.", rollback, (service(*SERVICES),)),
    "reload": Target("Render, test and reload the nginx configuration.", reload),
    "config": Target("Print the rendered configuration.", config),
    "shell": Target("Open a shell in a replica.", shell, (service(*EVERY_SERVICE),), ("SERVICE",)),
    "psql": Target("Open the database.", psql),
    "images": Target(
        "Build the images, put them to REGISTRY and name them by digest.", later("compose.publish", "images")
    ),
    "backup": Target(
        "Write what the database holds to a file, with its checksum.", later("backup.commands", "backup"), (FILE, KEEP)
    ),
    "restore": Target(
        "Put a backup into an empty database.", later("backup.commands", "restore"), (FILE,), needs=("FILE",)
    ),
    "verify-backup": Target(
        "Restore a backup beside the database and compare.", later("backup.commands", "verify"), (FILE,)
    ),
    "drill": Target(
        "Break something under load, check what was promised, mend it.",
        later("tasks", "drill"),
        (DRILL, service(*SERVICES), Variable("RATE", "200", above_zero(ARRIVALS), "requests a second meanwhile")),
    ),
    "new": Target(
        "Write a project of your own, with the applications and engines you choose.",
        later("new.commands", "new"),
        NEW,
        ("DIR", "APPS"),
    ),
    "doctor": Target("Say what this machine lacks, each with its mend.", later("doctor", "doctor")),
    "bench": Target("Measure what the edge and the load generator cost beside their peers.", later("tasks", "bench")),
    "test": Target("Run the tests.", later("tasks", "test"), (PATH, TIER, VARIABLES["SERVER"])),
    "sbom": Target("Write what the lock files hold as CycloneDX documents.", later("supply.sbom", "sbom")),
    "audit": Target("Say what is known against the packages of the lock files.", later("supply.audit", "audit")),
    "check": Target("Run formatters, linters and types; changes nothing.", later("tasks", "check")),
    "load": Target("Measure the throughput of each application.", later("tasks", "load"), LOAD),
    "scaling": Target("Measure workers and replicas.", later("tasks", "scaling"), SCALING),
    "websockets": Target("Measure WebSockets.", later("tasks", "websockets"), (service(*ASGI), HOST, QUICK, FULL)),
    "lost-requests": Target(
        "Count what every operation loses, on a stack of its own.", later("tasks", "lost_requests"), LOST
    ),
    "matrix": Target("Try every server under every framework, behind nginx.", later("tasks", "matrix"), MATRIX),
    "slow-io": Target(
        "Measure what a slow backend does.", later("tasks", "slow_io"), (service(*SERVICES), REPETITIONS, QUICK, FULL)
    ),
    "locust": Target("Open the Locust UI.", later("tasks", "locust"), (HOST, LOAD[4])),
    "compare": Target("Compare two stored runs.", later("tasks", "compare"), COMPARE, ("A", "B")),
    "gate": Target("Hold a stored run against thresholds.", later("tasks", "gate"), GATE),
}
