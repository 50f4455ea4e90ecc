"""What `doctor` says of a Swarm: that this machine manages one, and that its nodes can run the stack."""

from collections.abc import Iterator

from deploy.console import Console
from deploy.doctor import Finding, ok_or
from deploy.settings import Settings
from deploy.swarm import input
from deploy.swarm.cluster import Cluster


def findings(settings: Settings, say: Console) -> Iterator[Finding]:
    cluster = Cluster(settings, say)
    input.refuse_no_manager(cluster)
    nodes = cluster.nodes()
    yield Finding("ok", f"Swarm: {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}")
    yield ok_or("note", len(nodes) == 1 or bool(settings.registry), "images for all nodes",
                "each builds none: REGISTRY= names where they get them")  # fmt: skip
    yield ok_or("bad", len(nodes) == 1 or input.placed(nodes), "a node for PostgreSQL",
                f"docker node update --label-add {input.LABEL}=true NODE")  # fmt: skip
