"""What the engine says of every container: see promise.md."""

import re
from copy import deepcopy
from typing import Any

import pytest

from tests.promises.containers import ONE_SHOT, Containers, containers, inside  # noqa: F401

EXCEPTION = {"credentials": ("0:0", {"CAP_CHOWN", "CAP_DAC_OVERRIDE"})}
HOST_PATHS = {"nginx": {"/srv/reports"}}  # the reports of this checkout, read-only
FOLDERS = ("/", "/etc", "/usr/bin", "/srv")
Container = dict[str, Any]


def holds(service: str, container: Container) -> None:
    has_no_rights(service, container)
    is_alone(service, container)
    is_bounded(container)
    lasts(service, container)


def has_no_rights(service: str, container: Container) -> None:
    host = container["HostConfig"]
    user, capabilities = EXCEPTION.get(service, (None, set()))

    assert container["Config"]["User"] == user if user else not is_root(container["Config"]["User"])
    assert host["ReadonlyRootfs"] is True and host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert {f"CAP_{name.removeprefix('CAP_')}" for name in host["CapAdd"] or ()} == capabilities
    assert host["SecurityOpt"] == ["no-new-privileges:true"], "and nothing unconfined"
    if service in EXCEPTION:
        assert service in ONE_SHOT and host["NetworkMode"] == "none"


def is_root(user: str) -> bool:
    return user.partition(":")[0] in ("", "0", "root")


def is_alone(service: str, container: Container) -> None:
    host = container["HostConfig"]
    bound = {each["Destination"]: each for each in container["Mounts"] if each["Type"] == "bind"}
    outside = {place for place, each in bound.items() if not place.startswith("/run/secrets/")}

    assert not any(each["Source"].endswith(".sock") for each in container["Mounts"])
    assert outside == HOST_PATHS.get(service, set())
    assert not any(each["RW"] for each in bound.values())
    assert not host["Devices"] and not host["DeviceRequests"]
    assert not any(
        "host" in (host[kind] or "") for kind in ("PidMode", "IpcMode", "NetworkMode", "UTSMode", "UsernsMode")
    )


def is_bounded(container: Container) -> None:
    host = container["HostConfig"]

    assert 0 < host["Memory"] <= 2**30
    assert 0 < host["PidsLimit"] <= 512
    assert all("size=" in options for options in (host["Tmpfs"] or {}).values())


def lasts(service: str, container: Container) -> None:
    host, log = container["HostConfig"], container["HostConfig"]["LogConfig"]
    if service in ONE_SHOT:
        assert host["RestartPolicy"]["Name"] in ("", "no")
        assert (container["State"]["Status"], container["State"]["ExitCode"]) == ("exited", 0)
        return
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert container["Config"]["Healthcheck"]["Test"][0] == "CMD"
    assert container["State"]["Health"]["Status"] == "healthy"
    assert log["Type"] == "json-file" and {"max-size", "max-file"} <= set(log["Config"])


def test_every_container_is_hardened(containers: Containers) -> None:  # noqa: F811
    assert {service for service, _ in containers.each()} > {"nginx", "postgres", *ONE_SHOT}
    for service, container in containers.each():
        holds(service, container)


def test_nothing_can_be_written_where_it_would_last(containers: Containers) -> None:  # noqa: F811
    for service, container in running(containers):
        for folder in FOLDERS:
            wrote = inside(container, "sh", "-c", f"touch {folder}/written")
            assert (service, folder, wrote.returncode) == (service, folder, 1)
            assert "Read-only file system" in wrote.stderr or "Permission denied" in wrote.stderr


def test_the_kernel_gives_no_process_a_capability(containers: Containers) -> None:  # noqa: F811
    for service, container in running(containers):
        status = inside(container, "sh", "-c", "cat /proc/1/status").stdout
        facts = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))

        assert (service, facts["CapBnd"], facts["CapEff"]) == (service, "0" * 16, "0" * 16)
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
        assert facts["Uid"] != "0"


def running(found: Containers) -> list[tuple[str, Container]]:
    return [(service, each) for service, each in found.each() if each["State"]["Running"]]


BIND = {"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/var/run/docker.sock", "RW": False}
MUTATIONS = [
    ("flask", ("Config", "User"), ""),
    ("flask", ("Config", "User"), "0:0"),
    ("postgres", ("HostConfig", "ReadonlyRootfs"), False),
    ("nginx", ("HostConfig", "Privileged"), True),
    ("nginx", ("HostConfig", "CapDrop"), ["NET_RAW"]),
    ("nginx", ("HostConfig", "CapAdd"), ["NET_BIND_SERVICE"]),
    ("credentials", ("HostConfig", "CapAdd"), ["CHOWN", "DAC_OVERRIDE", "SYS_ADMIN"]),
    ("credentials", ("HostConfig", "NetworkMode"), "x_edge"),
    ("credentials", ("HostConfig", "RestartPolicy"), {"Name": "always"}),
    ("migrate", ("State", "ExitCode"), 1),
    ("django", ("HostConfig", "SecurityOpt"), []),
    ("django", ("HostConfig", "SecurityOpt"), ["no-new-privileges:true", "seccomp=unconfined"]),
    ("fastapi", ("Mounts",), [BIND]),
    ("fastapi", ("Mounts",), [BIND | {"Source": "/etc"}]),
    ("fastapi", ("HostConfig", "PidMode"), "host"),
    ("fastapi", ("HostConfig", "Memory"), 0),
    ("fastapi", ("HostConfig", "PidsLimit"), None),
    ("nginx", ("HostConfig", "Tmpfs"), {"/tmp": "mode=1777"}),
    ("nginx", ("HostConfig", "LogConfig"), {"Type": "json-file", "Config": {}}),
    ("postgres", ("Config", "Healthcheck"), {"Test": ["NONE"]}),
]


@pytest.mark.parametrize(("service", "path", "value"), MUTATIONS)
def test_a_container_that_is_not_is_caught(containers: Containers, service: str, path: tuple, value: object) -> None:  # noqa: F811
    broken = deepcopy(containers[service])
    place = broken
    for word in path[:-1]:
        place = place[word]
    place[path[-1]] = value

    with pytest.raises((AssertionError, TypeError)):
        holds(service, broken)
