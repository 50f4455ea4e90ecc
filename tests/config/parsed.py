"""A rendered configuration as a tree of directives, files joined, with nginx's inheritance."""

from collections.abc import Iterator
from pathlib import Path

import crossplane  # gixy's own parser


class Node:
    """`location /flask/ { ... }`: name "location", args ("/flask/",), and what stands inside."""

    def __init__(self, name: str, args: tuple[str, ...], block: list[dict], parent: "Node | None" = None):
        self.name, self.args, self.parent = name, args, parent
        self.inside = [Node(each["directive"], tuple(each["args"]), each.get("block") or [], self) for each in block]

    def __str__(self) -> str:
        return " ".join((self.name, *self.args))

    __repr__ = __str__

    def own(self, name: str) -> list["Node"]:
        return [each for each in self.inside if each.name == name]

    def all(self, name: str) -> Iterator["Node"]:
        for each in self.inside:
            if each.name == name:
                yield each
            yield from each.all(name)

    def nearest(self, name: str) -> list["Node"]:
        """What holds here: a level that has the directive hides those around it."""
        return self.own(name) or (self.parent.nearest(name) if self.parent else [])

    def value(self, name: str) -> tuple[str, ...]:
        """The words of a directive that stands once a level; () where nginx's default holds."""
        return next((each.args for each in self.nearest(name)), ())

    @property
    def proxied(self) -> list["Node"]:
        """Locations that hand requests on."""
        return [each.parent for each in self.all("proxy_pass") if each.parent]


def parse(out: Path) -> Node:
    read = crossplane.parse(str(out / "nginx.conf"), combine=True, check_ctx=False, check_args=False)
    assert not read["errors"], read["errors"]
    return Node("main", (), read["config"][0]["parsed"])
