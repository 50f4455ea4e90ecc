"""The oracle's verdict, on notes made by hand: each kind of loss is found, and nothing else is."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.oracle.judge import Judgement, Mark, judge
from loadtests.oracle.records import Listener, Request, Summary, line, read

START = 1000.0
COUNT = 12
KINDS = ("keep-alive", "close", "http/2")


def request(number: int, method: str, **changed: object) -> Request:
    made = Request(
        f"{number:08x}-0000-4000-8000-000000000000", START + number / 10, method, f"/flask/{method.lower()}",
        KINDS[number % 3], 200 if method == "GET" else 201, "flask/flask-1/1", "ab" * 16, 0.01, "",
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]


def logged(each: Request, status: int | None = None) -> str:
    """As nginx writes it; see nginx/templates/snippets/log.conf.template."""
    entry = {"request_id": each.request_id, "uri": f"{each.path}?oracle={each.id}", "protocol": "HTTP/1.1"}
    entry |= {"status": each.status if status is None else status, "bytes": 1}  # type: ignore[dict-item]
    entry |= {"upstream_addr": "127.0.0.1:1, 127.0.0.1:2", "upstream_status": f"502, {each.status}"}
    return json.dumps(entry, separators=(",", ":"))


class Run:
    """A run without a fault: six reads, six writes with the ids 101 to 106, two readers that heard them."""

    def __init__(self) -> None:
        self.requests = [request(number, ("GET", "POST")[number % 2]) for number in range(COUNT)]
        writes = [each for each in self.requests if each.method == "POST"]
        self.rows = [{"id": 101 + place, "author": "oracle", "text": each.id} for place, each in enumerate(writes)]
        self.listeners = [Listener("fastapi chat 0", 100), Listener("django-asgi events", 100)]
        for each in self.listeners:
            self.hear(each, range(101, 107))
        self.lines: list[str] | None = [logged(each) for each in self.requests]
        self.summary = Summary(first=100, until=106, rate=10.0, cpu=0.1, late=0.25)
        self.marks: list[Mark] = []

    def hear(self, listener: Listener, numbers: Iterable[int]) -> None:
        listener.runs = []
        for number in numbers:
            listener.hear(number)

    def change(self, number: int, **changed: object) -> Request:
        self.requests[number] = replace(self.requests[number], **changed)  # type: ignore[arg-type]
        return self.requests[number]

    def verdict(self) -> Judgement:
        return judge(self.requests, self.lines, self.rows, self.listeners, self.summary, asked=10, marks=self.marks)


@pytest.fixture
def run() -> Run:
    return Run()


def faults(verdict: Judgement) -> dict[str, int]:
    """Only those there are."""
    return {name: count for name, count in verdict.faults.items() if count}


def test_a_run_without_a_fault_has_none(run: Run) -> None:
    verdict = run.verdict()

    assert verdict.clean and faults(verdict) == {} and verdict.losses == []
    assert (verdict.requests, verdict.lost) == (COUNT, {"GET": 0, "POST": 0})
    assert (verdict.acknowledged, verdict.stored, verdict.unacknowledged) == (6, 6, 0)
    assert {(name, each.sent, each.answered, each.lost) for name, each in verdict.tallies.items()} == {
        (f"{method} {kind}", 2, 2, 0) for method in ("GET", "POST") for kind in KINDS
    }


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "how",
    [
        {"status": 502}, {"status": 404}, {"status": 308}, {"status": 0, "error": "ReadError"},
        {"error": "the answer is not whole"},
    ],
    ids=lambda how: " ".join(map(str, how.values())),
)  # fmt: skip
def test_no_answer_a_refusal_and_half_an_answer_are_losses(run: Run, number: int, how: dict[str, object]) -> None:
    changed = run.change(number, **how)

    verdict = run.verdict()

    assert verdict.lost == {"GET": 0, "POST": 0} | {changed.method: 1}
    tally = verdict.tallies[f"{changed.method} {changed.kind}"]
    assert (tally.sent, tally.answered, tally.lost) == (2, 2 - (changed.status == 0), 1)
    assert len(verdict.losses) == 1 and changed.id in verdict.losses[0]


def test_a_write_that_was_acknowledged_and_is_not_there_is_missing(run: Run) -> None:
    del run.rows[2]

    verdict = run.verdict()

    assert (verdict.missing, verdict.stored, verdict.twice) == (1, 5, 0)
    write, message = verdict.losses
    assert "stored 0 times: POST /flask/post (http/2): 201" in write
    assert message == "message 103 was told to readers and is not stored"


def test_a_write_that_is_there_twice_is_found(run: Run) -> None:
    run.rows.append({**run.rows[0], "id": 107})

    verdict = run.verdict()

    assert (verdict.twice, verdict.stored, verdict.missing) == (1, 5, 0)


def test_a_lost_write_that_was_carried_out_twice_is_found(run: Run) -> None:
    run.change(1, status=502)
    run.rows.append({**run.rows[0], "id": 107})

    assert run.verdict().twice == 1


def test_what_a_socket_said_is_there_once(run: Run) -> None:
    run.listeners[0].said = ["said"]
    run.rows += [{"id": 107, "author": "oracle", "text": "said"}, {"id": 108, "author": "oracle", "text": "said"}]

    assert run.verdict().twice == 1


def test_a_write_whose_client_was_not_told_may_be_there(run: Run) -> None:
    run.change(1, status=0, error="ReadError")
    run.lines = [logged(each, 499 if each.status == 0 else None) for each in run.requests]

    verdict = run.verdict()

    assert (verdict.acknowledged, verdict.stored, verdict.unacknowledged) == (5, 5, 1)
    assert faults(verdict) == {"POST lost": 1}


@pytest.mark.parametrize(
    ("status", "sent", "in_log", "unexplained"),
    [
        (0, True, 502, 0), (0, True, 499, 0), (0, True, 0, 0),
        (502, True, 502, 0),
        (0, True, None, 1),  # sent, and nobody knows of it
        (502, True, None, 1),
        (0, True, 200, 1),  # the edge calls it a success
        (502, True, 200, 1),
        (0, False, None, 0),  # refused: the client's own word
    ],
)  # fmt: skip
def test_a_loss_is_explained_by_a_line_of_the_edge_or_by_never_having_been_sent(
    run: Run, status: int, sent: bool, in_log: int | None, unexplained: int
) -> None:
    lost = run.change(0, status=status, sent=sent, error="" if status else "ReadError")
    run.lines = [logged(each) for each in run.requests[1:]]
    run.lines += [] if in_log is None else [logged(lost, in_log)]

    assert run.verdict().unexplained == unexplained


def test_without_a_log_nothing_is_called_unexplained_and_the_sentence_says_so(run: Run) -> None:
    run.change(0, status=0, error="ReadError")
    run.lines = None

    verdict = run.verdict()

    assert (verdict.unexplained, verdict.lost["GET"]) == (0, 1)
    assert "no edge log was read" in verdict.sentence()


def test_lines_of_others_are_passed_over(run: Run) -> None:
    assert run.lines is not None
    run.lines += ["", "nginx: a word of its own", '{"uri":"/flask/json","status":500}']

    assert run.verdict().clean


@pytest.mark.parametrize(
    ("heard", "found"),
    [
        ([101, 102, 104, 105, 106], {"chat messages missed": 1}),
        ([101, 102, 103], {"chat messages missed": 3}),
        ([], {"chat messages missed": 6}),
        ([101, 102, 102, 103, 104, 105, 106], {"repeated": 1}),
        ([101, 102, 103, 101, 102, 103, 104, 105, 106], {"repeated": 3}),
        ([102, 101, 103, 104, 105, 106], {"out of order": 1}),
        ([101, 103, 104, 102, 105, 106], {"out of order": 1}),
        ([101, 102, 103, 104, 105, 106, 107], {"told and not stored": 1}),
    ],
)
def test_what_a_reader_of_the_chat_missed_or_heard_wrongly_is_found(
    run: Run, heard: list[int], found: dict[str, int]
) -> None:
    run.hear(run.listeners[0], heard)

    assert faults(run.verdict()) == found


def test_a_reader_that_missed_something_is_named(run: Run) -> None:
    run.hear(run.listeners[0], [101, 104, 105, 106, 106])
    run.listeners[0].closed = [(START, "1012"), (START, "1006")]

    assert run.verdict().losses == [
        "fastapi chat 0: missed 2 (102 to 103), 1 repeated, 0 out of order; its connection was closed: 1012, 1006"
    ]


def test_messages_of_strangers_are_due_to_readers_and_gaps_between_ids_are_not(run: Run) -> None:
    run.rows.append({"id": 110, "author": "ada", "text": "hello"})
    run.hear(run.listeners[0], [*range(101, 107), 110])
    run.summary = replace(run.summary, until=110)

    verdict = run.verdict()

    assert verdict.chat_missed == 1  # by the other reader


def test_what_came_after_the_last_that_anybody_was_told_of_is_due_to_nobody(run: Run) -> None:
    run.rows.append({"id": 107, "author": "ada", "text": "later"})

    assert run.verdict().clean


def test_worst_times_are_those_of_successes_and_the_outage_is_the_longest_gap_between_them(run: Run) -> None:
    run.change(0, seconds=0.2)
    run.change(3, seconds=0.5)
    for number in (5, 6, 7, 8):
        run.change(number, status=502, seconds=9.0)

    verdict = run.verdict()

    assert verdict.slowest == pytest.approx({"GET": 0.2, "POST": 0.5})
    assert verdict.worst == pytest.approx(0.5)
    assert verdict.outage == pytest.approx(START + 8 / 10 + 9.0 - (START + 11 / 10 + 0.01))  # to the last failure


def test_an_outage_at_the_end_counts(run: Run) -> None:
    for number in range(6, COUNT):
        run.change(number, status=502)

    assert run.verdict().outage == pytest.approx(0.6)


def test_a_loss_is_told_by_its_distance_from_what_was_done(run: Run) -> None:
    run.change(3, status=0, error="ReadError", seconds=0.4)
    run.change(9, status=502)
    run.lines = [logged(each) for each in run.requests]
    run.marks = [Mark("kill", START + 0.5), Mark("mend", START + 0.8)]

    before, after = run.verdict().losses

    assert "POST /flask/post (keep-alive): ReadError" in before and "sent 0.20 s before kill" in before
    assert "502 by flask/flask-1/1" in after and "sent 0.10 s after mend" in after
    assert "edge: 502 of 127.0.0.1:1, 127.0.0.1:2 (502, 502)" in after


def test_the_sentence_names_every_fault_and_the_dictionary_is_json(run: Run) -> None:
    run.change(0, status=502)
    run.listeners[0].closed = [(START, "1012"), (START, "1006")]
    run.marks = [Mark("kill", START)]
    verdict = run.verdict()

    told = json.loads(json.dumps(verdict.as_dict()))

    assert "\n" not in verdict.sentence()
    assert "12 requests at 10 of 10/s, 6 writes and 2 readers: 1 GET lost, 0 POST lost" in verdict.sentence()
    assert "2 reconnects" in verdict.sentence() and "up to 0.25 s late" in verdict.sentence()
    assert told["reconnects"] == {"1012": 1, "1006": 1} and told["marks"] == [{"word": "kill", "at": START}]


def test_ids_in_their_order_take_no_room_and_a_reader_comes_back_with_the_highest() -> None:
    listener = Listener("fastapi chat 0", 100)
    for number in [*range(101, 5001), 4000, 5001]:
        listener.hear(number)

    assert listener.runs == [[101, 5000], [4000, 4000], [5001, 5001]]
    assert (listener.last, list(listener.ids())[-3:]) == (5001, [5000, 4000, 5001])
    assert Listener("fastapi chat 1", 100).last == 100


def test_notes_survive_the_file_and_half_a_line_at_its_end_is_none(tmp_path: Path) -> None:
    written = [request(1, "GET"), request(2, "POST", error="ReadError", sent=False)]
    (tmp_path / "notes").write_text("\n".join([*map(line, written), '{"id":"']))

    assert read(tmp_path / "notes", Request) == written
