"""Whoever breaks what holds between clients and the edge."""

from collections.abc import Iterable

from gixy.plugins.regex_redos import RedosAnalyzer

from tests.config.parsed import Node

KEYED = ("$request_method", "$client_scheme", "$host", "$request_uri")


def open_to_any_host(tree: Node) -> Iterable[Node]:
    """Addresses where a foreign Host meets one of our servers."""
    listening = [(listen.args, server) for server in tree.all("server") for listen in server.own("listen")]
    closed = {args[0] for args, server in listening if turns_away(args, server)}
    return (server for args, server in listening if args[0] not in closed and server.value("server_name") != ("_",))


def turns_away(listen: tuple[str, ...], server: Node) -> bool:
    root = [each for each in server.own("location") if each.args == ("/",)]
    last = "default_server" in listen or "~." in server.value("server_name")
    return last and bool(root) and root[0].value("return") == ("444",)


def http2_without_tls(tree: Node) -> Iterable[Node]:
    return (
        each.parent
        for each in tree.all("http2")
        if not all({"ssl", "quic"} & {*at.args} for at in each.parent.own("listen"))
    )


def named_error_pages(tree: Node) -> Iterable[Node]:
    """They turn a 400 into a 500; and a page that is not internal could be asked for."""
    return (each for each in tree.all("error_page") if each.args[-1].startswith("@"))


def logs_written_at_once(tree: Node) -> Iterable[Node]:
    return (
        each
        for each in tree.all("access_log")
        if each.args != ("off",)
        and not ({"json", "flush=1s"} <= {*each.args} and {*each.args} & {"buffer=4k", "buffer=64k"})
    )


def mixed_cache_keys(tree: Node) -> Iterable[Node]:
    keys = list(tree.all("proxy_cache_key"))
    return [each for each in keys if not all(word in " ".join(each.args) for word in KEYED)] if keys else [tree]


def returns_past_a_deny(tree: Node) -> Iterable[Node]:
    """(!) nginx returns before it looks who may come in; a refusal may."""
    return (each for each in tree.all("return") if int(each.args[0]) < 400 and each.nearest("deny"))


def endless_expressions(tree: Node) -> Iterable[Node]:
    """gixy looks into locations, not into maps."""
    keys = (each for block in tree.all("map") for each in block.inside if each.name.startswith("~"))
    return (each for each in keys if RedosAnalyzer(each.name.lstrip("~*"), each.name.startswith("~*")).analyze())


def open_lists(tree: Node) -> Iterable[Node]:
    return (
        each.parent for each in tree.all("autoindex") if each.args == ("on",) and each.parent.args != ("/reports/",)
    )


def lost_headers(tree: Node) -> Iterable[Node]:
    """Levels with a header of their own that leave out one of http's. (A 416 has them already: snippets/error-pages.conf.)"""
    (http,) = tree.own("http")
    wanted = {each.args[0] for each in http.own("add_header")}
    levels = {each.parent for each in tree.all("add_header") if each.parent and each.parent.args != ("=", "/error.416")}
    return (each for each in levels if wanted - {header.args[0] for header in each.own("add_header")})
