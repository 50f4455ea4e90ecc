"""What of the containers can be reached from outside, as the engine has it: see promise.md."""

from collections.abc import Callable
from copy import deepcopy

import pytest

from tests.promises.containers import Containers, containers  # noqa: F401


def only_nginx_is_published(found: Containers) -> None:
    published = {service: each["HostConfig"]["PortBindings"] for service, each in found.each() if ports(each)}

    assert set(published) == {"nginx"}
    assert set(published["nginx"]) == {"8080/tcp", "8443/tcp"}
    assert {host["HostIp"] for bindings in published["nginx"].values() for host in bindings} == {"127.0.0.1"}
    assert {each["HostConfig"]["NetworkMode"] for _, each in found.each()} & {"host", "bridge", "default"} == set()


def the_database_is_alone(found: Containers) -> None:
    networks = {service: {name.rpartition("_")[2] for name in each["NetworkSettings"]["Networks"]}
                for service, each in found.each()}  # fmt: skip

    assert networks["postgres"] == {"database"}
    assert "database" not in networks["nginx"]
    assert [each["Internal"] for each in found.networks if each["Name"].endswith("_database")] == [True]


def ports(container: dict) -> bool:
    return bool(container["HostConfig"]["PortBindings"]) or any(container["NetworkSettings"]["Ports"].values())


def publish(found: Containers) -> None:
    found["flask"]["HostConfig"]["PortBindings"] = {"8001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8001"}]}


def publish_to_all(found: Containers) -> None:
    found["nginx"]["HostConfig"]["PortBindings"]["8080/tcp"][0]["HostIp"] = "0.0.0.0"


def use_the_hosts_network(found: Containers) -> None:
    found["postgres"]["HostConfig"]["NetworkMode"] = "host"


def open_the_network(found: Containers) -> None:
    next(each for each in found.networks if each["Name"].endswith("_database"))["Internal"] = False


def connect_the_edge(found: Containers) -> None:
    found["nginx"]["NetworkSettings"]["Networks"]["x_database"] = {}


def holds(found: Containers) -> None:
    only_nginx_is_published(found)
    the_database_is_alone(found)


def test_nothing_but_nginx_is_published_and_the_database_is_alone(containers: Containers) -> None:  # noqa: F811
    holds(containers)


@pytest.mark.parametrize(
    "break_it", [publish, publish_to_all, use_the_hosts_network, open_the_network, connect_the_edge]
)
def test_an_open_door_is_caught(containers: Containers, break_it: Callable[[Containers], None]) -> None:  # noqa: F811
    broken = deepcopy(containers)
    break_it(broken)

    with pytest.raises(AssertionError):
        holds(broken)
