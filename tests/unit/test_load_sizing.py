"""How large a session of load tests is: the arithmetic, the numbers it shares with others, and the page's program."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import edge, limits
from loadtests.measure import sizing
from loadtests.measure.sizing import PORTS, Crowd, Session, Work
from loadtests.report import sizing as report
from tests.contract import ROOT
from tests.unit.test_load_choosing import load, run

WORK = Work(
    generator=0.0007, edge=0.00035, app=0.0014, database=0.0007, seconds=0.04, request=100, answer=410, asks=True
)


def session(rate: float = 10_000, **other: float) -> Session:
    return Session(rate, replace(WORK, **other))


def test_a_generator_is_planned_for_the_share_of_a_core_above_which_it_measures_itself():
    assert session().rate_of_a_process == 1000
    assert session().processes == 10


def test_a_machine_keeps_a_core_for_its_kernel():
    assert [session(rate).machines for rate in (7_000, 7_100)] == [1, 2]


def test_requests_under_way_are_rate_times_time_and_connections_some_more():
    assert session().under_way == 400
    assert session().connections == 400 + 4 * 20


def test_addresses_are_as_many_as_the_ports_of_one_do_not_hold():
    assert session(10_000, seconds=0.001).addresses == session().machines
    assert session(10_000, seconds=PORTS / 10_000).addresses == 2
    assert session(10_000, seconds=30, generator=0.00001).addresses == 11


def test_a_connection_for_each_request_holds_its_port_for_a_minute():
    assert session(PORTS, generator=0.00001).addresses_unkept == 60


def test_a_link_carries_frames_and_not_only_what_nginx_logs():
    assert session().sent == 8 * 10_000 * (100 + 180)
    assert session().received == 8 * 10_000 * (410 + 90)


def test_memory_grows_with_processes_and_with_requests_under_way():
    assert session().memory == 10 * sizing.PROCESS_BYTES + 480 * sizing.REQUEST_BYTES


def test_nginx_has_a_worker_for_each_core_and_no_fewer_than_hold_two_connections_a_request():
    assert session().edge_workers == session().edge_cores == 5
    assert session(seconds=30).edge_workers == 37
    assert session(seconds=30).connections_of_a_worker <= sizing.CONNECTIONS


def test_postgresql_has_to_take_what_the_stack_itself_would_refuse():
    demand = limits.Demand(replicas=session().app_processes, workers=1, pool=sizing.POOL)
    others = {"others": limits.Demand(replicas=session().app_processes, workers=1, pool=sizing.POOL)}

    assert session().database_connections == 2 * demand.connections + limits.RESERVED
    limits.check({"fastapi": demand})
    with pytest.raises(Exception, match="PostgreSQL takes"):
        limits.check({"fastapi": demand, **others})


def test_work_without_a_database_takes_nothing_of_it():
    without = session(asks=False)

    assert (without.database_cores, without.database_busy, without.database_connections) == (0, 0, 0)


def test_sockets_are_bound_by_files_ports_and_two_connections_each():
    crowd = Crowd(100_000, generator=9, edge=30, app=43, files=50_064)

    assert (crowd.processes, crowd.addresses, crowd.edge_workers, crowd.replicas) == (2, 4, 13, 4)
    assert (crowd.generator_memory, crowd.edge_memory, crowd.app_memory) == (900_000, 3_000_000, 4_300_000)


def test_sizing_reckons_with_the_numbers_of_the_stack():
    user = (ROOT / "loadtests/users/openmodel.py").read_text()

    assert sizing.CONNECTIONS == edge.MOST_FILES // 2
    assert (limits.LISTENER, limits.RESERVED, limits.MAX_CONNECTIONS) == (
        sizing.LISTENER,
        sizing.RESERVED,
        sizing.MAX_CONNECTIONS,
    )
    assert f"most_in_flight: int = {sizing.IN_FLIGHT} " in user


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(report, "REPORTS", tmp_path)

    def store(made: dict) -> str:
        folder = tmp_path / made["id"]
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps(made))
        return made["id"]

    return store


def test_a_run_of_ones_own_is_sized_service_by_service(stored, capsys: pytest.CaptureFixture):
    assert report.main([stored(load("json", flask=0.007))]) == 0

    said = capsys.readouterr().out
    assert "## flask, measured at 50 requests/s" in said
    assert "| application: processes | 100 | 1,000 | 10,000 |" in said


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (run("scaling", "cpu"), "choose one of make load"),
        (load("cpu") | {"verdict": {"word": "invalid", "reasons": ["the generator starved"]}}, "the generator starved"),
        (load("cpu") | {"interrupted": True}, "it was interrupted"),
    ],
)
def test_a_run_that_says_nothing_is_refused_in_a_sentence(stored, made: dict, why: str, capsys: pytest.CaptureFixture):
    assert report.main([stored(made)]) == 2
    assert why in capsys.readouterr().err


def test_a_run_that_is_not_there_is_a_sentence(stored, capsys: pytest.CaptureFixture):
    assert report.main(["yesterday"]) == 2
    assert capsys.readouterr().err.startswith("ponte: there is no run 'yesterday'")
