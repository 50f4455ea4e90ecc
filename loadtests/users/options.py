"""What a Locust run of ours takes beside Locust's own options; they are in its web form too."""

from locust import events
from locust.argument_parser import LocustArgumentParser

from loadtests.services import SERVICES
from loadtests.users.arrivals import KINDS, parse
from loadtests.users.mixes import MIXES, mix

RATE = 5.0


@events.init_command_line_parser.add_listener
def add(parser: LocustArgumentParser) -> None:
    parser.add_argument(
        "--rate", type=float, default=RATE, env_var="LOCUST_RATE", help="arrivals a second of each open-model user"
    )
    parser.add_argument(
        "--stages",
        default="",
        env_var="LOCUST_STAGES",
        help="instead of --rate, e.g. 10s@50,30s@100-400; the run ends with them",
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="how long each ClosedVisitor asks; 0 is until -t")
    parser.add_argument("--arrivals", default=KINDS[0], help=" or ".join(KINDS))
    parser.add_argument(
        "--service",
        default="",
        env_var="SERVICE",
        help=f"{', '.join(SERVICES)}; '/' for a host of your own; default all four",
    )
    parser.add_argument(
        "--mix",
        default="visit",
        env_var="LOCUST_MIX",
        help=f"{', '.join(MIXES)}, a path such as /json, or - for the address itself",
    )
    parser.add_argument("--samples", default="", help="file for the raw samples (.npz)", include_in_web_ui=False)


def wrong(options) -> str:
    """The sentence about a wrong value; empty when all is right."""
    if not 0 < options.rate < float("inf"):
        return f"--rate {options.rate:g} is no rate; write arrivals a second, such as 50 or 0.5"
    if options.arrivals not in KINDS:
        return f"--arrivals {options.arrivals!r} is unknown; choose from {', '.join(KINDS)}"
    if options.service not in ("", "/", *SERVICES):
        return (
            f"--service {options.service!r} is unknown; choose from {', '.join(SERVICES)}, or / for a host of your own"
        )
    try:
        mix(options.mix)
        parse(options.stages) if options.stages else None
    except ValueError as error:
        return str(error)
    return ""
