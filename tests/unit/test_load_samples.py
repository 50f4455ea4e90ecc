"""Raw samples: what goes in comes out, from one process or many."""

from pathlib import Path

import numpy as np
import pytest

from loadtests.measure import samples
from loadtests.measure.samples import DROPPED, UNANSWERED, Recorder

ID = bytes(range(16))


def recorded(*rows: tuple) -> samples.Samples:
    recorder = Recorder()
    for row in rows:
        recorder.add(*row)
    return recorder.take()


def test_a_sample_is_kept_as_exactly_as_it_was_measured(tmp_path: Path):
    one = recorded((0.1, 0.2, 0.123456789012345, 200, "/json", "flask/flask-1/7", 3, 9, 1, ID))
    one.save(tmp_path / "s.npz")
    again = samples.load(tmp_path / "s.npz")

    assert again.done[0] == 0.123456789012345
    assert (again.names, again.replicas) == (("/json",), ("", "flask/flask-1/7"))
    assert bytes(again.ids[0]) == ID
    assert (again.stage[0], again.in_flight[0], again.first[0]) == (3, 9, 1)


def test_latency_counts_from_when_a_request_was_due():
    one = recorded((1.0, 1.5, 2.0, 200, "/json"))

    assert (one.latency[0], one.service_time[0], one.send_lag[0]) == (1.0, 0.5, 0.5)


def test_what_got_no_good_answer_is_told_apart():
    found = recorded(*((1.0, 1.0, 2.0, status, "/") for status in (200, 404, 503, UNANSWERED, DROPPED)))

    assert found.succeeded.tolist() == [True, False, False, False, False]
    assert found.answered.tolist() == [True, True, True, False, False]
    assert found.was_sent.tolist() == [True, True, True, True, False]


def test_samples_of_several_processes_become_one_in_the_order_they_were_due():
    one = recorded((1.0, 1.0, 1.1, 200, "/a", "x/1"), (3.0, 3.0, 3.1, 200, "/b", "x/2"))
    other = recorded((2.0, 2.0, 2.1, 200, "/b", "x/2"), (0.0, 0.0, 0.1, 500, "/c", "x/1"))
    both = samples.merged([one, other])

    assert both.intended.tolist() == [0, 1, 2, 3]
    assert [both.names[index] for index in both.name] == ["/c", "/a", "/b", "/b"]
    assert [both.replicas[index] for index in both.served_by] == ["x/1", "x/1", "x/2", "x/2"]


def test_nothing_measured_is_no_error():
    assert len(samples.merged([])) == 0
    assert len(Recorder().take()) == 0


def test_a_recorder_that_was_emptied_starts_anew_and_keeps_its_names():
    recorder = Recorder()
    recorder.add(1.0, 1.0, 1.0, 200, "/a")
    recorder.take()
    recorder.add(2.0, 2.0, 2.0, 200, "/b")

    assert len(found := recorder.take()) == 1
    assert found.names[found.name[0]] == "/b"


def test_a_window_holds_what_was_due_in_it():
    found = recorded(*((at, at, at + 9, 200, "/") for at in (0.0, 1.0, 1.5, 2.0)))

    assert found.between(1.0, 2.0).intended.tolist() == [1.0, 1.5]


def test_an_unknown_column_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = recorded().nonsense


def test_a_mask_keeps_the_ids_beside_their_rows():
    found = recorded((1.0, 1.0, 1.0, 200, "/", "", 0, 0, 1, ID), (2.0, 2.0, 2.0, 500, "/"))

    assert bytes(found[found.succeeded].ids[0]) == ID
    assert np.all(found[~found.succeeded].status == 500)
