"""Whoever breaks what holds between the edge and the applications."""

from collections.abc import Iterable

from tests.config.parsed import Node

# The headers of which an application believes each word: overwritten or emptied, never passed on, never appended to.
FORWARDED = {
    "Host": "$host",
    "X-Forwarded-Host": "$host$colon_port",
    "X-Forwarded-Port": "$public_port",
    "X-Forwarded-Proto": "$client_scheme",
    "X-Forwarded-For": "$remote_addr",
    "X-Request-ID": "$request_id",
    "Upgrade": "$upgrade_to",
    "Connection": "$upgrade_connection",
    **dict.fromkeys(("Forwarded", "X-Forwarded-Ssl", "X-Forwarded-Protocol", "X-Real-IP", "Proxy"), ""),
}


def forwarded(tree: Node) -> Iterable[Node]:
    """(!) proxy_set_header is all or nothing per level, so one too many in a location loses all of them."""
    for location in tree.proxied:
        told = [each.args for each in location.nearest("proxy_set_header")]
        if any(told.count(each) != 1 for each in FORWARDED.items()) or len({name for name, _ in told}) < len(told):
            yield location


def closing(tree: Node) -> Iterable[Node]:
    """HTTP/1.0 ends a connection with each answer."""
    return (each for each in tree.proxied if version(each) not in ("1.1", "2"))


def malformed_upgrades(tree: Node) -> Iterable[Node]:
    """HTTP/2 has no Upgrade, and none is inherited from the location around."""
    spoken = (each for each in tree.proxied if version(each) == "2")
    return (each for each in spoken if ("$upgrade_to", "") not in [found.args for found in each.own("set")])


def mixed_pools(tree: Node) -> Iterable[Node]:
    """(!) nginx keeps connections by address, and would speak HTTP/1.1 on one that speaks HTTP/2."""
    for upstream in tree.all("upstream"):
        target = f"http://{upstream.args[0]}/"
        locations = (each for each in tree.proxied if each.own("proxy_pass")[0].args[0].startswith(target))
        if len(set(map(version, locations))) > 1 and upstream.value("keepalive")[-1:] != ("local",):
            yield upstream


def version(location: Node) -> str:
    return " ".join(location.value("proxy_http_version"))


def upstreams_without(name: str, tree: Node) -> Iterable[Node]:
    return (each for each in tree.all("upstream") if not each.own(name))


def members_by_default(tree: Node) -> Iterable[Node]:
    members = (member for each in tree.all("upstream") for member in each.own("server"))
    return (
        each for each in members if "down" not in each.args and not {"max_fails=3", "fail_timeout=2s"} <= {*each.args}
    )


def unbounded_bodies(tree: Node) -> Iterable[Node]:
    """0 turns the check off; a server that hands on is named, one that closes is not."""
    return (
        each
        for each in tree.proxied
        if not each.value("client_max_body_size") or each.value("client_max_body_size") == ("0",)
    )


def unheeded(tree: Node) -> Iterable[Node]:
    """Set-Cookie, Vary and Cache-Control decide what may be kept; no answer decides which file the edge sends."""
    ignored = (each for each in tree.all("proxy_ignore_headers") if {*each.args} - {"X-Accel-Redirect"})
    return [*ignored, *(each for each in tree.proxied if each.value("proxy_ignore_headers") != ("X-Accel-Redirect",))]


def endless(tree: Node) -> Iterable[Node]:
    """Locations that wait for an hour and are no event stream and no WebSocket."""
    waiting = (each for each in tree.proxied if each.value("proxy_read_timeout") == ("1h",))
    return (each for each in waiting if not each.args[-1].endswith(("/events", "/ws/")))
