"""What is known of the servers in the stack under test: a test that one of them cannot pass has to fail, for its reason."""

from collections.abc import Iterator

import pytest

from tests.contract import ASGI, CHOSEN, WITH_SOCKETS
from tests.matrix.findings import Reason
from tests.matrix.plan import Pair
from tests.matrix.reasons import CONTRACT, STACK
from tests.matrix.suite import label, sentence

ONE_SERVICE = ("app", "wsgi_app", "asgi_app", "seen", "restarted", "name")  # parameters that name whom a test asks


def mark(item: pytest.Item) -> None:
    """As the matrix does it: without a reason red, and with one that is no longer so red too."""
    if item.get_closest_marker("sockets") and (without := without_sockets(item)):
        item.add_marker(pytest.mark.skip(reason=f"{without[0]} has no WebSockets, as test_servers.py says"))
    for reason in known(item):
        item.add_marker(pytest.mark.xfail(reason=reason.why, strict=reason.always))


def without_sockets(item: pytest.Item) -> list[str]:
    return [CHOSEN[name] for name in services(item, "asgi_app") if name in ASGI and name not in WITH_SOCKETS]


def known(item: pytest.Item) -> Iterator[Reason]:
    pairs = [Pair(CHOSEN[name], name) for name in services(item)]
    for reason in CONTRACT + STACK:
        if any(map(reason.meets, pairs)) and reason.concerns(about(item)):
            yield reason


def services(item: pytest.Item, *parameters: str) -> list[str]:
    """Whom it asks: all of them, unless it is asked of one."""
    given = item.callspec.params if hasattr(item, "callspec") else {}
    if not given.keys() & set(ONE_SERVICE):
        return list(CHOSEN)
    return [given[each] for each in parameters or ONE_SERVICE if given.get(each) in CHOSEN]


def about(item: pytest.Item) -> str:
    """The words by which the matrix calls it; whom it asks is not among them."""
    function = item.function  # type: ignore[attr-defined]
    marks = [each for each in getattr(function, "pytestmark", ()) if each.name == "parametrize"]
    names = [name.strip() for each in marks for name in names_of(each)]
    cases = [name for name in names if name not in ONE_SERVICE]
    return sentence(function.__name__, label(item.callspec.params[name] for name in cases))  # type: ignore[attr-defined]


def names_of(mark: pytest.Mark) -> list[str]:
    return mark.args[0].split(",") if isinstance(mark.args[0], str) else list(mark.args[0])
