import errno
import socket
from pathlib import Path

import pytest

from deploy import ports
from deploy.errors import Refused
from deploy.settings import build


@pytest.fixture
def outgoing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Sets the kernel's range of ports for outgoing connections."""

    def use(text: str) -> None:
        (tmp_path / "range").write_text(text)
        monkeypatch.setattr(ports.ephemeral, "__defaults__", (tmp_path / "range",))

    return use


def test_the_same_checkout_gets_the_same_ports_and_another_one_others():
    assert ports.home(Path("/a/.run")) == ports.home(Path("/a/.run")) != ports.home(Path("/b/.run"))


def test_ports_are_free_and_distinct_and_leave_out_what_is_taken():
    first = ports.allocate(Path("/a/.run"), 20)
    second = ports.allocate(Path("/a/.run"), 20, taken=first)

    assert len({*first, *second}) == 40
    assert all(ports.LOW <= port < ports.HIGH for port in (*first, *second))


def test_a_port_to_try_something_on_is_given_once_and_to_no_outgoing_connection():
    given = [ports.free_port() for _ in range(200)]

    assert len(set(given)) == 200
    assert max(given) < ports.LOW


def test_a_port_that_somebody_listens_on_is_not_given():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        assert not ports.free("127.0.0.1", other.getsockname()[1])


def test_a_port_of_a_server_on_every_address_is_not_free_either():
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()

        assert not ports.free("127.0.0.1", other.getsockname()[1])


def test_the_kernels_own_range_is_left_alone(outgoing):
    outgoing("24000 60999")

    assert all(port < 24000 for port in ports.allocate(Path("/a/.run"), 30))


def test_a_range_that_covers_everything_leaves_probing(outgoing):
    outgoing("1024 65535")

    assert len(ports.allocate(Path("/a/.run"), 3)) == 3


@pytest.mark.parametrize("variable", ["HTTP_PORT", "HTTPS_PORT"])
def test_a_taken_port_of_the_edge_is_told_with_the_variable_that_chooses_another(variable: str, tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        given = dict(zip(("HTTP_PORT", "HTTPS_PORT"), map(str, ports.allocate(tmp_path, 2)), strict=True))
        given[variable] = str(other.getsockname()[1])

        with pytest.raises(Refused, match=f"port {given[variable]} on 127.0.0.1 is taken; .* {variable},") as refusal:
            ports.refuse_taken(build(given, given, tmp_path, tmp_path / ".run"))
    assert refusal.value.code == 3


def test_a_port_for_root_alone_is_left_to_an_engine_that_is_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def forbidden(host: str, port: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(ports, "listen", forbidden)
    settings = build({"HTTP_PORT": "80"}, {"HTTP_PORT": "80"}, tmp_path, tmp_path / ".run")

    ports.refuse_taken(settings, by_root=True)
    with pytest.raises(Refused, match="port 80 is for root alone; choose HTTP_PORT above 1023"):
        ports.refuse_taken(settings)


def test_no_port_left_is_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ports, "free", lambda host, port: False)

    with pytest.raises(Refused, match="no 2 free ports") as refusal:
        ports.allocate(Path("/a/.run"), 2)
    assert refusal.value.code == 3
