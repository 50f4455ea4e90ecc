"""The command line: targets and their words, as `NAME=value` or `--name value`."""

import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import click

from deploy.console import Console
from deploy.errors import Failure, Refused
from deploy.settings import load
from deploy.targets import TARGETS, Target
from deploy.variables import VARIABLES, Variable, switch

INTERRUPTED = 130


def main(words: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return Ponte().main(options(words), "ponte", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help())
        return 0
    except click.UsageError as error:
        return fail(usage(error, words), 2)
    except Failure as error:
        return fail(str(error), error.code)
    except (KeyboardInterrupt, click.Abort):
        return fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return fail(disk(error), 3)


def interrupt(*_: object) -> NoReturn:
    """SIGTERM ends as Ctrl-C does. (!) Not by way of SIGINT, which a shell's background jobs ignore."""
    raise KeyboardInterrupt


def fail(sentence: str, code: int) -> int:
    print(f"ponte: {sentence}", file=sys.stderr, flush=True)
    return code


def options(words: Sequence[str]) -> list[str]:
    """`HTTP_PORT=81` becomes `--http-port=81`, what click reads."""
    return [re.sub(r"^([A-Z][A-Z0-9_]*)=", lambda m: f"{option(m[1])}=", word) for word in words]


def option(name: str) -> str:
    return "--" + name.lower().replace("_", "-")


def word(name: str) -> str:
    return name.lstrip("-").upper().replace("-", "_")


class Ponte(click.Group):
    """Builds the options of a target when it is asked for, not all of them at every start."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(TARGETS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return command(name, TARGETS[name]) if name in TARGETS else None


def command(name: str, target: Target) -> click.Command:
    params = [parameter(each) for each in target.words]
    params += [parameter(each, hidden=True) for each in VARIABLES.values() if each not in target.words]
    return click.Command(
        name, callback=callback(name, target), params=params, help=target.help,
        epilog="Every variable of .env.example is taken too, as NAME=value or --name value.",
    )  # fmt: skip


def parameter(variable: Variable, hidden: bool = False) -> click.Parameter:
    flag: dict[str, Any] = {"is_flag": False, "flag_value": "1"} if variable.parse is switch else {}
    return click.Option([option(variable.name), variable.name], help=variable.help, hidden=hidden, metavar="", **flag)


def callback(name: str, target: Target) -> Callable[..., int]:
    def call(**given: Any) -> int:
        words = {key.upper(): value for key, value in given.items() if value is not None}
        settings = load(words, os.environ)
        return target.run(settings, Console(), own_words(name, target, words)) or 0

    return call


def own_words(name: str, target: Target, words: Mapping[str, str]) -> dict[str, Any]:
    """The words of the target itself, read; absent ones are None."""
    lacking = [each for each in target.needs if not words.get(each)]
    if lacking:
        hint = {each.name: each.help for each in target.words}[lacking[0]]
        raise Refused(f"{name} needs {lacking[0]}: {hint}")
    return {each.name.lower(): parsed(each, words) for each in target.words}


def parsed(variable: Variable, words: Mapping[str, str]) -> Any:
    value = words.get(variable.name) or variable.default
    try:
        return variable.parse(value) if value else None
    except ValueError as error:
        raise Refused(f"{variable.name}={value!r} {error}") from None


def usage(error: click.UsageError, words: Sequence[str]) -> str:
    """click's complaint as one sentence with the choices."""
    target = next((each for each in words if each in TARGETS), "")
    if isinstance(error, click.NoSuchOption):
        return f"the word {word(error.option_name)} is unknown to {target or 'ponte'}; {choices(target)}"
    if isinstance(error, click.BadOptionUsage):
        return f"the word {word(error.option_name)} has no value; write {word(error.option_name)}=value"
    given = next(iter(re.findall(r"[('](.*)[)']", error.message)), "")
    if target:
        return f"{target} does not know {given!r}; write NAME=value; {choices(target)}"
    return f"the target {given!r} is unknown; choose from {', '.join(TARGETS)}"


def choices(target: str) -> str:
    if target not in TARGETS:
        return "name a target first"
    own = [each.name for each in TARGETS[target].words]
    return f"choose from {', '.join([*own, 'any variable of .env.example'])}"


def disk(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}; free space or give this user the checkout"
