import sys
from pathlib import Path

import pytest

from deploy.errors import Refused
from deploy.native import programs
from deploy.native.layout import Layout
from deploy.native.programs import Program, ini

FLASK = Program(
    name="flask-1",
    argv=["/co de/.run/venv/bin/python", "-m", "serve", "flask", "--port", "20001"],
    directory=Path("/co de/.run/releases/ab12/apps"),
    log=Path("/co de/.run/logs/flask-1.log"),
    stop_signal="TERM",
    stop_seconds=45,
    environment={"REPLICA": "flask-1", "FORWARDED_ALLOW_IPS": "127.0.0.1,::1"},
)


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(programs, "which", lambda name: f"/usr/bin/{name}")


def test_a_replica_has_a_program_file_of_its_own():
    assert (
        ini(FLASK)
        == """\
; flask-1: written by ./ponte; one file per replica, so that a change touches no other.
; (!) never numprocs: changing it restarts the whole group.
[program:flask-1]
command=setpriv --pdeathsig TERM -- '/co de/.run/venv/bin/python' -m serve flask --port 20001
directory=/co de/.run/releases/ab12/apps
environment=REPLICA="flask-1",FORWARDED_ALLOW_IPS="127.0.0.1,::1"
autorestart=true
startsecs=10
startretries=100
stopsignal=TERM
stopwaitsecs=45
; The signal goes to the parent alone, which tells its workers; what outlives it is killed.
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile=/co de/.run/logs/flask-1.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""
    )


def test_the_death_signal_is_set_after_the_user_has_changed():
    wrapped = Program(
        "postgres", ["postgres", "-D", "/d"], Path("/r"), Path("/l"), "INT", 30, wrap=["unshare", "--user", "--"]
    )

    assert programs.command(wrapped) == [
        "unshare",
        "--user",
        "--",
        "setpriv",
        "--pdeathsig",
        "INT",
        "--",
        "postgres",
        "-D",
        "/d",
    ]


def test_leftovers_are_swept_after_the_death_signal_is_set():
    swept = programs.command(Program("nginx", ["nginx"], Path("/r"), Path("/l"), "QUIT", 65, sweep="QUIT"))

    assert swept == [
        "setpriv",
        "--pdeathsig",
        "QUIT",
        "--",
        sys.executable,
        "-I",
        "-S",
        str(programs.SWEEP),
        "QUIT",
        "nginx",
    ]


def test_without_setpriv_the_command_runs_bare(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(programs, "which", lambda name: None)

    assert programs.command(FLASK) == FLASK.argv


def test_a_percent_sign_is_not_expanded_by_supervisor():
    folder = Path("/100%(here)s")

    assert "directory=/100%%(here)s\n" in ini(Program("a", ["a"], folder, folder / "log", "TERM", 1))


def test_supervisor_reads_back_what_was_written(tmp_path: Path):
    options = pytest.importorskip("supervisor.options")
    parser = options.UnhosedConfigParser()
    parser.read_string(ini(FLASK))
    environment = options.dict_of_key_value_pairs(parser.get("program:flask-1", "environment"))

    assert environment == FLASK.environment


@pytest.mark.parametrize("name", ['a"b', "a'b", "a;b", "a #b", "a$b", "a{b", "a\\b"])
def test_a_path_that_configuration_files_cannot_carry_is_refused(name: str):
    with pytest.raises(Refused, match="move the checkout") as refusal:
        Layout(Path("/") / name, Path("/") / name / ".run")

    assert refusal.value.code == 3


@pytest.mark.parametrize("name", ["a b", "a#b", "ä", "100%", "a(b)"])
def test_other_paths_are_fine(name: str):
    Layout(Path("/") / name, Path("/") / name / ".run")
