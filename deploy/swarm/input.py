"""What `up` checks of a Swarm before anything is changed: each thing that lacks ends it with its mend."""

from collections.abc import Iterable, Mapping
from typing import Any

from deploy.compose import input
from deploy.errors import Refused, impossible
from deploy.settings import Settings
from deploy.swarm.cluster import Cluster

LABEL = "ponte.postgres"
STATES = {
    "inactive": "this machine is in no Swarm; docker swarm init makes it the first node of one",
    "pending": "this machine has not joined its Swarm yet; docker info says what it waits for",
    "locked": "this node is locked; docker swarm unlock asks for its key",
    "error": "this node's Swarm is broken; docker info says how",
}


def check(cluster: Cluster) -> Mapping[str, str]:
    """Returns what the launcher would run on this machine."""
    settings = cluster.settings
    refuse_impossible(settings)
    commands = input.check(cluster)
    place_database(cluster)
    return commands


def refuse_impossible(settings: Settings) -> None:
    if settings.dev:
        raise Refused("DEV=1 reads the checkout, which other nodes do not have; use ENGINE=compose or native")
    if settings.given.get("BIND_ADDRESS", "0.0.0.0") != "0.0.0.0":
        raise Refused(f"BIND_ADDRESS={settings.given['BIND_ADDRESS']!r} cannot be kept: a Swarm publishes at all addresses of its nodes; leave it out, and close the ports by a firewall")  # fmt: skip


def refuse_no_manager(cluster: Cluster) -> None:
    state, manager = cluster.ask("docker", "info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}").split()  # fmt: skip
    if state != "active":
        raise impossible(STATES.get(state, f"this node's Swarm is {state}"))
    if manager != "true":
        raise impossible("this node is a worker; call ./ponte on a manager, or docker node promote this one there")


def placed(nodes: Iterable[Mapping[str, Any]]) -> bool:
    return any(LABEL in each["Spec"].get("Labels", {}) for each in nodes)


def place_database(cluster: Cluster) -> None:
    """Where there is one node, there is nothing to choose."""
    nodes = cluster.nodes()
    if placed(nodes):
        return
    if len(nodes) > 1:
        raise impossible(f"no node is labelled for PostgreSQL and its data; docker node update --label-add {LABEL}=true NODE chooses one")  # fmt: skip
    argv = ("docker", "node", "update", "--label-add", f"{LABEL}=true", nodes[0]["ID"])
    cluster.run(*argv, text="giving PostgreSQL its node")
