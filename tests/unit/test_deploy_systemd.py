"""systemd as the keeper under the native engine's controller, with a `systemctl` that only writes down what it is told."""

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("psutil")

from deploy.console import Console
from deploy.engines import systemd
from deploy.engines.systemd import Systemd
from deploy.errors import Answer, Refused, impossible
from deploy.native import change, deploying
from deploy.native.change import Change
from deploy.native.deploying import Deploying
from deploy.native.record import Record, load
from deploy.native.stop import stop_all
from deploy.release import Release, Standing
from deploy.settings import build
from deploy.systemd import ports, units
from deploy.systemd.keeper import Units, environment
from deploy.systemd.layout import Installed
from deploy.tree import tree
from deploy.variables import SERVICES

ROOT = Path(__file__).resolve().parents[2]
SYSTEMCTL = """\
#!/bin/bash
# Units are files: in active/ and in enabled/. Everything but questions is written to the log.
cd "$(dirname "$0")" || exit 9
word=$1 units=() now=; shift
for each; do case $each in --now) now=yes ;; --*) ;; *) units+=("$each") ;; esac; done
case $word in
  is-active) [ -e "active/${units[0]}" ]; exit ;;
  show)
    for unit in "${units[@]}"; do
      state=inactive pid=0
      [ ! -e "active/$unit" ] || { state=active pid=$(cat "active/$unit"); }
      printf 'Id=%s\\nActiveState=%s\\nMainPID=%s\\nExecMainStartTimestampMonotonic=1000000\\n\\n' "$unit" "$state" "$pid"
    done ;;
  enable | disable | start | stop)
    for unit in "${units[@]}"; do
      case $word in enable) touch "enabled/$unit" ;; disable) rm -f "enabled/$unit" ;; esac
      case $word$now in start | enableyes) echo $((++RANDOM)) >"active/$unit" ;; stop | disableyes) rm -f "active/$unit" ;; esac
      case $word in start | stop) echo "$word $unit" >>log ;; esac
      [ ! -e "failing/$unit" ] || exit 1
    done ;;
esac
"""


class Server:
    """Two replicas of flask and one of fastapi, as units of a first release."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch):
        self.bin = root / "bin"
        for name in ("active", "enabled", "failing"):
            (self.bin / name).mkdir(parents=True)
        (self.bin / "systemctl").write_text(SYSTEMCTL)
        (self.bin / "systemctl").chmod(0o755)
        monkeypatch.setenv("PATH", f"{self.bin}:{os.environ['PATH']}")
        (root / "apps").mkdir()
        (root / "apps" / "app.py").write_text("first")
        self.settings = build({}, {}, root, root / "opt")
        self.layout = Installed(root, self.settings.run)
        self.layout.programs.mkdir(parents=True)
        self.keeper = Units(self.layout)
        self.keeper.start()
        self.first = Release(tree(root, ("apps",)), "dev")
        self.unready: set[str] = set()
        self.stand_in(monkeypatch)
        deploying.releases.take(self.first.tree, self.settings, self.layout)
        record = Record("p", "e", "u", {}, {}, engine="systemd", phase="up")
        record.releases = {name: Standing(self.first) for name in SERVICES}
        record.counts = dict.fromkeys(SERVICES, 0) | {"flask": 2, "fastapi": 1}
        record.save(self.layout.run)
        self.change().converge(SERVICES)
        self.log.unlink()

    @property
    def log(self) -> Path:
        return self.bin / "log"

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(change, "Routing", lambda *_: self)
        for name in ("try_out", "watch"):
            monkeypatch.setattr(change.replicas, name, lambda *_: None)
        monkeypatch.setattr(change.replicas, "wait_ready", self.wait_ready)
        monkeypatch.setattr(change, "check", lambda settings, counts: dict.fromkeys(counts, "--workers 1"))
        monkeypatch.setattr(change.launcher, "server", lambda settings, service: "s")
        monkeypatch.setattr(change.releases, "equip", lambda *_: None)
        monkeypatch.setattr(deploying.django, "collect", lambda *_: None)
        monkeypatch.setattr("deploy.systemd.keeper.free", lambda host, port: True)
        monkeypatch.setattr(Console, "__call__", lambda self, text: None)

    def wait_ready(self, members, *_) -> None:
        for each in members:
            if each.runs.tree in self.unready:
                raise impossible(f"{each.name} is not ready")
            self.write(f"ready {each.name}")

    def apply(self, record: Record, drained: bool = True) -> None:
        self.write(f"route {' '.join(sorted(record.routed))}")

    def write(self, line: str) -> None:
        with self.log.open("a") as log:
            log.write(f"{line}\n")

    def release(self, text: str = "second") -> Release:
        (self.settings.root / "apps" / "app.py").write_text(text)
        return Release(tree(self.settings.root, ("apps",)), "dev")

    def change(self) -> Change:
        record = load(self.layout.run)
        assert record
        return Change(record, self.settings, Console(), self.layout, self.keeper)

    def deploying(self) -> Deploying:
        return Deploying(self.change(), self.settings)

    def events(self) -> list[str]:
        said = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.replace("ponte-", "").replace(".service", "") for line in said]

    def enabled(self) -> set[str]:
        return {path.name for path in (self.bin / "enabled").iterdir()} - {units.TARGET}

    def active(self) -> set[str]:
        return {path.name for path in (self.bin / "active").iterdir()} - {units.TARGET}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(tmp_path, monkeypatch)


def test_a_release_starts_in_the_other_range_and_is_ready_before_the_old_one_leaves_and_stops(server: Server):
    server.release()
    server.deploying().deploy(("fastapi",), "rolling")

    events = server.events()
    assert events[0].startswith("start migrate@")
    assert events[1:] == [
        "start fastapi@14101", "ready fastapi-14101", "route fastapi-14001 fastapi-14101 flask-11001 flask-11002",
        "route fastapi-14101 flask-11001 flask-11002", "stop fastapi@14001",
    ]  # fmt: skip


def test_the_next_release_takes_the_range_that_became_free(server: Server):
    for text in ("second", "third"):
        server.release(text)
        server.deploying().deploy(SERVICES, "bluegreen")

    assert server.active() >= {"ponte-flask@11001.service", "ponte-flask@11002.service", "ponte-fastapi@14001.service"}


def test_what_runs_is_enabled_and_nothing_else_is(server: Server):
    """So a reboot starts what ran, without us."""
    expected = {"ponte-flask@11101.service", "ponte-flask@11102.service", "ponte-fastapi@14101.service"}
    server.release()
    server.deploying().deploy(SERVICES, "rolling")

    assert server.enabled() == expected
    assert {units.unit(path.stem) for path in server.layout.programs.glob("*.env")} == expected
    assert {path.name for path in server.layout.programs.iterdir() if path.is_symlink()} == {
        "flask-11101", "flask-11102", "fastapi-14101",
    }  # fmt: skip


def test_each_replica_is_led_to_its_own_release(server: Server):
    second = server.release()
    server.deploying().deploy(("fastapi",), "rolling")

    links = {path.name: path.resolve() for path in server.layout.programs.iterdir() if path.is_symlink()}
    assert links["fastapi-14101"] == server.layout.releases / second.tree
    assert links["flask-11001"] == server.layout.releases / server.first.tree


def test_a_rollback_serves_the_release_before_and_so_does_one_that_fails(server: Server):
    second = server.release()
    server.deploying().deploy(SERVICES, "rolling")
    server.deploying().rollback(SERVICES)
    assert {each.runs for each in server.change().record.members.values()} == {server.first}

    server.unready = {second.tree}
    with pytest.raises(Answer, match=f"is not ready; rolled back, release {server.first} serves"):
        server.deploying().deploy(SERVICES, "rolling")
    assert {each.runs for each in server.change().record.members.values()} == {server.first}
    assert server.active() >= server.enabled()


def test_a_migration_that_fails_starts_nobody(server: Server):
    second = server.release()
    (server.bin / "failing" / f"ponte-migrate@{second.tree}.service").touch()
    with pytest.raises(Answer, match="migrate failed; nothing was changed"):
        server.deploying().deploy(SERVICES, "rolling")

    assert server.events() == [f"start migrate@{second.tree}"]


def test_five_releases_stay(server: Server):
    for number in range(8):
        server.release(f"release {number}")
        server.deploying().deploy(("flask",), "bluegreen")

    kept = [path for path in server.layout.releases.iterdir() if not path.name.startswith(".")]
    assert len(kept) == 5
    assert server.change().record.trees() <= {path.name for path in kept}


def test_a_replica_that_systemd_gave_up_is_started_again(server: Server):
    (server.bin / "active" / "ponte-flask@11002.service").unlink()

    assert server.change().mend()
    assert "start flask@11002" in server.events()


def test_down_leaves_nothing_that_a_reboot_would_start(server: Server):
    stop_all(server.keeper, server.layout)

    assert (server.active(), server.enabled(), server.keeper.alive()) == (set(), set(), False)
    assert list(server.layout.programs.iterdir()) == []


def test_secrets_and_places_stand_in_no_file_of_ours(server: Server):
    text = (server.layout.programs / "flask-11001.env").read_text()

    assert text == 'REPLICA="flask-11001"\nRELEASE="dev"\n'


def test_a_value_arrives_as_it_was_written():
    assert environment({"A": 'a # "b" \\c'}) == 'A="a # \\"b\\" \\\\c"\n'


@pytest.mark.parametrize(
    ("siblings", "others", "first"),
    [((), (), 11001), ((), (11001, 11002), 11101), ((11101,), (11002,), 11101), ((), (11101,), 11001)],
)
def test_a_release_keeps_to_one_range_away_from_the_other(siblings: tuple, others: tuple, first: int):
    assert next(ports.order("flask", set(siblings), set(others))) == first


def test_a_port_that_somebody_else_has_is_passed_over(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("deploy.systemd.keeper.free", lambda host, port: port != 11003)
    server.change().scale("flask", 3)

    assert "start flask@11004" in server.events()


def test_more_than_all_ports_are_refused_in_a_sentence(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("deploy.systemd.keeper.free", lambda host, port: False)

    with pytest.raises(Refused, match="all ports of flask are taken, 11001 and those after it"):
        server.change().scale("flask", 3)


# ------------------------------------------------------------------------------ a machine that cannot do it


def test_a_machine_without_systemd_is_told_and_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(systemd, "RUNS_HERE", tmp_path / "nowhere")

    with pytest.raises(Refused, match="systemd does not run this machine; take ENGINE=native") as refusal:
        Systemd(build({}, {}, tmp_path, tmp_path / "opt"), Console())
    assert refusal.value.code == 3
    assert list(tmp_path.iterdir()) == []


def test_a_folder_where_nothing_was_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(systemd, "RUNS_HERE", tmp_path)
    monkeypatch.setattr(systemd.os, "geteuid", lambda: 0)

    with pytest.raises(Refused, match="holds no installed stack; deploy/systemd/install makes one"):
        Systemd(build({}, {}, tmp_path, tmp_path / "opt"), Console())


def test_a_python_in_somebodys_home_is_refused_before_anything_is_made_of_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    (server.bin / "setpriv").write_text("#!/bin/sh\nexit 1\n")
    (server.bin / "setpriv").chmod(0o755)
    monkeypatch.setattr(Systemd, "__init__", lambda self, layout: setattr(self, "layout", layout))

    with pytest.raises(Refused, match=r"the user ponte may not run .*python.*; remove .run/venv") as refusal:
        Systemd(server.layout).deploy(("flask",), "rolling")  # type: ignore[arg-type,call-arg]
    assert refusal.value.code == 3


@pytest.fixture
def install(tmp_path: Path):
    """(!) The first program that it changes anything with fails: an install that forgets to check spoils no machine."""
    stub = tmp_path / "bin" / "systemd-sysusers"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho reached >&2; exit 9\n")
    stub.chmod(0o755)

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        argv = [str(ROOT / "deploy/systemd/install"), *words]
        environ["PATH"] = f"{stub.parent}:{os.environ['PATH']}"
        return subprocess.run(argv, env=environ, capture_output=True, text=True)

    return run


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="systemd runs this machine")
@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_install_refuses_a_machine_without_systemd_in_one_sentence(install, tmp_path: Path, words: tuple[str, ...]):
    done = install(*words, PREFIX=str(tmp_path / "opt"), DATABASE_URL="postgresql://somebody")

    assert done.returncode == 3
    assert done.stderr.startswith("install: systemd does not run this machine (PID 1 is ")
    assert done.stderr.count("\n") == 1 and "take ENGINE=native" in done.stderr
    assert not (tmp_path / "opt").exists()


@pytest.mark.parametrize(
    ("words", "environ", "sentence"),
    [
        (("--dryrun",), {}, "the word '--dryrun' is unknown; choose from --dry-run"),
        ((), {"PREFIX": "opt"}, "PREFIX='opt' is no absolute path"),
        ((), {"PREFIX": "/opt/po nte"}, "PREFIX='/opt/po nte' is no absolute path"),
        ((), {"PREFIX": str(ROOT)}, "PREFIX is the checkout itself"),
    ],
)
def test_install_refuses_a_wrong_word_in_one_sentence(
    install, words: tuple[str, ...], environ: dict[str, str], sentence: str
):
    done = install(*words, **environ)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert sentence in done.stderr


def test_install_names_what_is_missing_before_the_first_line_that_changes_anything():
    """It reads as a table of contents; what changes something goes by change(), which --dry-run turns into words."""
    text = (ROOT / "deploy/systemd/install").read_text()
    contents = text.partition("main() {")[2].partition("\n}")[0].split()

    assert contents.index("check-requirements") < contents.index("----") < contents.index("create-users")
    checks = text.partition("check-requirements() {")[2].partition("\n}")[0]
    assert "change " not in checks and ">" not in checks.replace("2>", "").replace("->", "").replace(">=", "")
