"""WS /ws/chat: what any application stores, every client on every ASGI replica gets, once and in order."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.apps import App
from tests.contract import ASGI, HEX_32, NAMES, assert_shape
from tests.engine import Stack
from tests.sockets import header, on_each, opened, read, refused

pytestmark = pytest.mark.sockets
BAD_MESSAGES: dict[str, str | bytes] = {
    "binary": b'{"author":"ada","text":"binary"}',
    "no json": "hello",
    "empty": "",
    "no object": "[]",
    "nan": '{"author":"a","text":NaN}',
    "no text": '{"author":"ada"}',
    "empty text": '{"author":"ada","text":""}',
    "wrong type": '{"author":true,"text":"x"}',
    "too long": json.dumps({"author": "ada", "text": "x" * 2001}),
    "nul": '{"author":"ada","text":"a\\u0000b"}',
    "surrogate": '{"author":"ada","text":"\\ud800"}',
}


def send(socket, text: str, author: str = "ada") -> None:
    socket.send(json.dumps({"author": author, "text": text}))


def test_the_sender_gets_the_stored_row(asgi_app: App):
    with opened(asgi_app.ws + "/ws/chat") as socket:
        send(socket, "hello \u2028 \U0001f600")
        row = read(socket)

    assert set(row) == {"id", "author", "text", "at", "replica"}
    assert (row["author"], row["text"]) == ("ada", "hello \u2028 \U0001f600")
    assert asgi_app.messages(row["id"] - 1)[0] == row


def test_a_message_posted_to_any_application_arrives_on_every_asgi_replica(apps: dict[str, App], stack: Stack):
    with ExitStack() as opening:
        sockets: list[ClientConnection] = []
        for name in ASGI:
            replicas = [row["replica"] for row in stack.replicas(name)]
            sockets += opening.enter_context(on_each(apps[name].ws + "/ws/chat", replicas)).values()
        rows = [apps[name].say(f"by {name}") for name in NAMES]

        assert len(sockets) >= 2 * len(ASGI)
        for socket in sockets:
            assert [read(socket) for _ in rows] == rows


def test_messages_written_everywhere_at_once_arrive_once_and_in_id_order(apps: dict[str, App]):
    with ExitStack() as opening:
        sockets = [opening.enter_context(opened(apps[name].ws + "/ws/chat")) for name in ASGI * 2]
        with ThreadPoolExecutor(9) as pool:
            writers = [pool.submit(write, apps[name], 20) for name in NAMES * 2]
            for number in range(20):
                send(sockets[0], f"from a socket {number}")
            written = {number for writer in writers for number in writer.result()}

        heard = [[read(socket)["id"] for _ in range(len(written) + 20)] for socket in sockets]

    assert heard[0] == sorted(set(heard[0])) and written < set(heard[0])
    assert all(ids == heard[0] for ids in heard)


def write(app: App, count: int) -> list[int]:
    return [app.say(f"chat {number}")["id"] for number in range(count)]


def test_after_an_id_the_past_is_replayed_and_then_the_present(asgi_app: App, apps: dict[str, App]):
    before = apps["flask"].newest()
    past = [apps["django"].say(f"past {number}") for number in range(60)]

    with opened(f"{asgi_app.ws}/ws/chat?after={before}") as socket:
        present = apps["flask"].say("present")
        assert [read(socket) for _ in range(61)] == [*past, present]


def test_nothing_is_replayed_without_an_id(asgi_app: App):
    asgi_app.say("past")
    with opened(asgi_app.ws + "/ws/chat") as socket:
        row = asgi_app.say("present")

        assert read(socket) == row


def test_a_replay_while_others_write_misses_nothing_and_repeats_nothing(asgi_app: App, apps: dict[str, App]):
    before = apps["flask"].newest()
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, apps[name], 40) for name in ("flask", "django")]
        heard: list[int] = []
        while len(heard) < 80:
            with opened(f"{asgi_app.ws}/ws/chat?after={heard[-1] if heard else before}") as socket:
                heard += [read(socket)["id"] for _ in range(min(10, 80 - len(heard)))]
        written = {number for writer in writers for number in writer.result()}

    assert heard == sorted(written)


@pytest.mark.parametrize("what", BAD_MESSAGES)
def test_a_bad_message_gets_the_error_shape_and_the_socket_stays(asgi_app: App, what: str):
    with opened(asgi_app.ws + "/ws/chat") as socket:
        socket.send(BAD_MESSAGES[what])
        fields = read(socket)
        assert_shape(fields, 422 if fields["error"].startswith("unprocessable") else 400)
        assert fields["request_id"] == header(socket, "X-Request-ID")
        send(socket, "still here")

        assert read(socket)["text"] == "still here"


def test_a_bad_message_is_told_to_its_sender_only(asgi_app: App):
    with opened(asgi_app.ws + "/ws/chat") as sender, opened(asgi_app.ws + "/ws/chat") as other:
        sender.send("nonsense")
        assert "error" in read(sender)
        send(sender, "sense")

        assert read(other)["text"] == "sense"


@pytest.mark.parametrize("after", ("", "abc", "-1", "%2B5", "1_0", str(2**63), "1&after=1"))
def test_an_id_that_is_none_refuses_the_handshake_with_422(asgi_app: App, after: str):
    answer = refused(f"{asgi_app.ws}/ws/chat?after={after}")

    assert answer.status_code == 422
    assert_shape(json.loads(answer.body), 422)


def origins(stack: Stack) -> list[str]:
    host, port = stack.address
    return ["http://evil.example", f"http://evil.example:{port}", "null", f"https://{host}:{port}", f"http://{host}:{port + 1}",
            f"http://{host}", f"http://{host}:{port}.evil.example", "file://", "", f"http://localhost:{port}",
            f"http://evil.example@{host}:{port}", "x"]  # fmt: skip


def test_a_page_of_another_origin_is_refused(asgi_app: App, stack: Stack):
    for origin in origins(stack):
        answer = refused(asgi_app.ws + "/ws/chat", additional_headers={"Origin": origin})

        assert (origin, answer.status_code) == (origin, 403)
        assert_shape(json.loads(answer.body), 403)


def test_a_page_of_another_origin_cannot_claim_to_be_the_edge(asgi_app: App):
    forged = {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}

    assert refused(asgi_app.ws + "/ws/chat", additional_headers=forged).status_code == 403


def test_a_page_of_the_edge_and_a_client_that_is_no_page_are_let_in(asgi_app: App, stack: Stack):
    for headers in ({}, {"Origin": stack.url}):
        with opened(asgi_app.ws + "/ws/chat", additional_headers=headers) as socket:
            send(socket, "hello")
            assert read(socket)["text"] == "hello"


def test_the_answer_to_the_handshake_says_who_gave_it(asgi_app: App):
    with opened(asgi_app.ws + "/ws/chat") as socket:
        assert header(socket, "X-Served-By").startswith(asgi_app.name + "/")
        assert HEX_32.fullmatch(header(socket, "X-Request-ID"))


def test_a_message_over_one_mebibyte_closes_with_1009(asgi_app: App):
    with opened(asgi_app.ws + "/ws/chat") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.send("x" * (1024 * 1024 + 1))
        socket.recv(timeout=10)

    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_a_client_that_does_not_read_does_not_hold_up_the_others(asgi_app: App):
    with opened(asgi_app.ws + "/ws/chat", max_queue=1) as idle, opened(asgi_app.ws + "/ws/chat") as socket:
        rows = [asgi_app.say("x" * 2000) for _ in range(50)]

        assert [read(socket) for _ in rows] == rows
        assert idle.state.name == "OPEN"
