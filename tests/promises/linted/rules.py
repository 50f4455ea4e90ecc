"""What must hold in any rendering: name -> whoever breaks it. gixy and `nginx -t` know none of these."""

from collections.abc import Callable, Iterable
from functools import partial

from tests.config.parsed import Node
from tests.promises.linted import proxied, served

Rule = Callable[[Node], Iterable[Node]]

# Said in http, and said otherwise nowhere.
ALWAYS = {
    "absolute_redirect": "off",
    "reset_timedout_connection": "on",
    "server_tokens": "off",
    "ssl_prefer_server_ciphers": "off",
    "ssl_protocols": "TLSv1.2 TLSv1.3",
    "ssl_session_tickets": "off",
    "limit_req_status": "429",
    "limit_conn_status": "429",
}
# What holds in every location that hands requests on.
PROXIED = {
    "proxy_next_upstream": "error timeout",
    "proxy_next_upstream_tries": "3",
    "proxy_next_upstream_timeout": "5s",
    "proxy_intercept_errors": "off",
    "proxy_redirect": "off",
}
# Each undoes a promise by being there at all.
NEVER = (
    "ignore_invalid_headers",
    "merge_slashes",
    "proxy_pass_header",
    "satisfy",
    "underscores_in_headers",  # X_Forwarded_For would pass for X-Forwarded-For
)


def always(name: str, words: str, tree: Node) -> Iterable[Node]:
    (http,) = tree.own("http")
    yield from [] if http.own(name) else [http]
    yield from (each for each in tree.all(name) if " ".join(each.args) != words)


def everywhere(name: str, words: str, tree: Node) -> Iterable[Node]:
    return (each for each in tree.proxied if " ".join(each.value(name)) != words)


def never(name: str, tree: Node) -> Iterable[Node]:
    return tree.all(name)


RULES: dict[str, Rule] = {
    **{name: partial(always, name, words) for name, words in ALWAYS.items()},
    **{name: partial(everywhere, name, words) for name, words in PROXIED.items()},
    **{f"no {name}": partial(never, name) for name in NEVER},
    "forwarded headers": proxied.forwarded,
    "connections that are kept": proxied.closing,
    "pools of one protocol": proxied.mixed_pools,
    "upgrades": proxied.malformed_upgrades,
    "zone of an upstream": partial(proxied.upstreams_without, "zone"),
    "keepalive of an upstream": partial(proxied.upstreams_without, "keepalive"),
    "max_fails of a member": proxied.members_by_default,
    "lost headers": served.lost_headers,
    "foreign hosts": served.open_to_any_host,
    "http2 with TLS only": served.http2_without_tls,
    "error pages": served.named_error_pages,
    "buffered log": served.logs_written_at_once,
    "bounded bodies": proxied.unbounded_bodies,
    "cache key": served.mixed_cache_keys,
    "heeded headers": proxied.unheeded,
    "returns past a deny": served.returns_past_a_deny,
    "bounded expressions": served.endless_expressions,
    "listed folders": served.open_lists,
    "long waits": proxied.endless,
}  # fmt: skip


def broken(tree: Node) -> dict[str, list[str]]:
    found = {name: list(map(str, rule(tree))) for name, rule in RULES.items()}
    return {name: where for name, where in found.items() if where}
