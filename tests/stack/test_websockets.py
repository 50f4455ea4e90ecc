"""WS /ws/echo under ASGI, and what a client gets that does not upgrade."""

import json
from socket import SHUT_RDWR

import pytest
from websockets.exceptions import ConnectionClosed

from tests import wire
from tests.apps import App
from tests.contract import HEX_32, MIB, assert_error, assert_shape
from tests.engine import Stack
from tests.sockets import header, opened, refused

pytestmark = pytest.mark.sockets
HANDSHAKE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def test_echo_gives_back_text_and_bytes_as_what_they_were(asgi_app: App):
    with opened(asgi_app.ws + "/ws/echo") as socket:
        for message in ("hello", "", "é€\U0001f600", b"", b"\x00\xff", "x" * 70_000, bytes(range(256)) * 300):
            socket.send(message)

            assert socket.recv(timeout=10) == message


def test_echo_keeps_the_order(asgi_app: App):
    with opened(asgi_app.ws + "/ws/echo") as socket:
        for number in range(200):
            socket.send(str(number))

        assert [socket.recv(timeout=10) for _ in range(200)] == [str(number) for number in range(200)]


def test_a_fragmented_message_comes_back_whole(asgi_app: App):
    with opened(asgi_app.ws + "/ws/echo") as socket:
        socket.send(iter(["one, ", "two, ", "three"]))

        assert socket.recv(timeout=10) == "one, two, three"


def test_a_ping_is_answered(asgi_app: App):
    with opened(asgi_app.ws + "/ws/echo") as socket:
        assert socket.ping("are you there").wait(10)


def test_the_answer_to_the_handshake_says_who_gave_it(asgi_app: App):
    with opened(asgi_app.ws + "/ws/echo") as socket:
        assert header(socket, "X-Served-By").startswith(asgi_app.name + "/")
        assert HEX_32.fullmatch(header(socket, "X-Request-ID"))


@pytest.mark.parametrize("message", ("x" * MIB, b"x" * MIB, "é" * (MIB // 2)), ids=("text", "bytes", "two bytes each"))
@pytest.mark.parametrize("compression", (None, "deflate"))
def test_a_message_of_one_mebibyte_is_echoed_and_one_byte_more_closes_with_1009(asgi_app: App, message, compression):
    with opened(asgi_app.ws + "/ws/echo", compression=compression) as socket:
        socket.send(message)
        assert socket.recv(timeout=10) == message
        with pytest.raises(ConnectionClosed) as closed:
            socket.send(message + message[:1])
            socket.recv(timeout=10)

    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_the_limit_counts_the_whole_of_a_fragmented_message(asgi_app: App):
    with opened(asgi_app.ws + "/ws/echo") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.send(iter([b"x" * (MIB // 2), b"x" * (MIB // 2), b"x"]))
        socket.recv(timeout=10)

    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_a_plain_get_is_426_under_asgi_and_501_under_wsgi(app: App):
    for path in ("/ws/echo", "/ws/chat"):
        assert_error(app.get(path), 426 if app.is_asgi else 501)


def test_a_handshake_with_wsgi_is_501(wsgi_app: App):
    for path in ("/ws/echo", "/ws/chat"):
        answer = refused(wsgi_app.ws + path)

        assert answer.status_code == 501
        assert_shape(json.loads(answer.body), 501)


def test_a_handshake_elsewhere_is_404(asgi_app: App):
    for path in ("/ws", "/ws/", "/ws/echo/", "/ws/other", "/no-such-path"):
        answer = refused(asgi_app.ws + path)

        assert answer.status_code == 404
        assert_shape(json.loads(answer.body), 404)


@pytest.mark.parametrize("left_out", ("Sec-WebSocket-Key", "Sec-WebSocket-Version"))
def test_a_handshake_that_lacks_something_is_an_answer_of_the_4xx_kind(asgi_app: App, stack: Stack, left_out: str):
    lines = [line for line in HANDSHAKE if not line.startswith(left_out)]
    request = wire.request(f"GET {asgi_app.prefix}/ws/echo HTTP/1.1", *lines).replace(b": close", b": Upgrade")

    with wire.connection(stack.address) as sock:
        sock.sendall(request)
        answer = wire.read_until(sock, b"\r\n\r\n")

    assert wire.statuses(answer)[0] in {400, 426}


def test_a_client_that_vanishes_does_not_harm_the_next(asgi_app: App):
    for _ in range(5):
        with opened(asgi_app.ws + "/ws/echo") as socket:
            socket.send("x" * 100_000)
            socket.socket.shutdown(SHUT_RDWR)

    with opened(asgi_app.ws + "/ws/echo") as socket:
        socket.send("still here")
        assert socket.recv(timeout=10) == "still here"
