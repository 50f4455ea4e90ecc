"""What a drill has in its hands: the replicas of a stack that runs, whichever engine runs it, and a list of what to mend."""

import http.client
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deploy import state
from deploy.backup.database import Session, Trouble
from deploy.console import Console
from deploy.engines.base import Engine, Replica
from deploy.errors import Answer, Failure, impossible
from deploy.native.change import DOWN
from deploy.run import quiet, undisturbed
from deploy.settings import Settings
from loadtests.drills.bounds import Moments
from loadtests.measure.processes import send
from loadtests.stack import processes, within

if TYPE_CHECKING:
    from loadtests.oracle import Load

BACK_SECONDS = 60
TOLD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_SECONDS = 70  # of nginx
MARK = "names"  # nginx/credentials.py
FILLER = "drill"


class Scene:
    """Whatever is broken is written down in `mends` before it is broken, so that an interruption undoes it too."""

    load: "Load"

    def __init__(self, engine: Engine, say: Console, services: Sequence[str]):
        self.engine, self.say, self.services = engine, say, tuple(services)
        self.mends = ExitStack()
        self.moments = Moments()
        self.broken: list[str] = []  # promises, beside those that the requests tell
        self.before = Counter(each.service for each in engine.ps())
        if why := self.wrong():
            raise impossible(f"{why} before anything was broken; ./ponte up mends it")

    def rows(self, service: str) -> list[Replica]:
        return [each for each in self.engine.ps() if each.service == service and each.id]

    def one(self, service: str) -> Replica:
        if not (found := self.rows(service)):
            raise impossible(f"{service} is none of this stack's own; there is nothing to break")
        return found[0]

    def ids(self) -> set[str]:
        """Of the applications' processes or containers."""
        return {each.id for each in self.engine.ps() if each.service not in ("nginx", "postgres")}

    @property
    def settings(self) -> Settings:
        """Those that the stack was started with."""
        settings = self.engine.settings
        found = state.read(settings.run) or {}
        return settings.again(found["given"], found.get("words", {})) if "given" in found else settings

    @property
    def tls_url(self) -> str:
        return self.settings.https_url

    @property
    def tls_address(self) -> tuple[str, int]:
        parts = urlsplit(self.tls_url)
        return parts.hostname or "", parts.port or 443

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.engine.url())
        return parts.hostname or "", parts.port or 80

    @property
    def cache(self) -> Path:
        """Where nginx keeps answers, as nginx names it."""
        native = self.engine.name == "native"
        return self.engine.settings.run / "nginx" / "answers" if native else Path("/var/cache/answers")

    # ------------------------------------------------------------------------------ processes

    def pids(self, row: Replica) -> list[int]:
        """As this machine numbers them, the first process first."""
        return processes(row.replica, row.id)

    def kill(self, row: Replica) -> None:
        """With all that it started, as the kernel does to a container. (!) `docker kill` would keep it from coming back."""
        pids = self.pids(row)
        with self.breaking(f"kill of {row.replica}"):
            send(signal.SIGKILL, pids)

    def stop(self, row: Replica) -> list[int]:
        """As if the machine had forgotten it: connections stay open, the kernel accepts new ones, nobody answers."""
        pids = self.pids(row)
        self.mends.callback(send, signal.SIGCONT, pids)
        with self.breaking(f"stop of {row.replica}"):
            send(signal.SIGSTOP, pids)
        return pids

    # ------------------------------------------------------------------------------ time

    @contextmanager
    def breaking(self, word: str) -> Iterator[None]:
        self.load.mark(word)
        begin = self.load.plan.now()
        try:
            yield
        finally:
            self.moments.broken.append((begin, self.load.plan.now()))

    def works_again(self) -> None:
        """From here on the time to recover runs."""
        self.moments.mended = self.load.plan.now()
        self.load.mark("mend")

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def until(self, condition: Callable[[], object], what: Callable[[], str]) -> None:
        """Answer, with what is wrong, when it does not become true."""
        if not within(BACK_SECONDS, condition):
            raise Answer(f"after {BACK_SECONDS} s {what()}")

    def whole(self, service: str, count: int) -> bool:
        return self.engine.ready(service) == count

    def until_back(self, service: str, count: int) -> None:
        self.until(lambda: self.whole(service, count), lambda: f"{service} has not {count} ready replicas")

    # ------------------------------------------------------------------------------ more to break

    def at_least(self, service: str, count: int) -> int:
        """Scales up where there are fewer; back in the end. Gives how many there are."""
        now = self.before[service]
        if now < count:
            self.mends.callback(self.engine.scale, service, now)
            self.engine.scale(service, count)
        return max(now, count)

    def database_answers(self) -> bool:
        try:
            database = self.engine.database()
        except Failure:  # its container does not run
            return False
        argv = database.argv("psql", "--no-psqlrc", "--quiet", "--command=SELECT 1")
        return subprocess.run(argv, env=dict(database.environment), capture_output=True).returncode == 0

    def hold_table(self, table: str) -> None:
        """Whoever reads or writes it waits, and keeps a connection of its pool meanwhile."""
        session = Session(self.engine.database())
        self.mends.callback(end, session)
        with self.breaking(f"lock of {table}"):
            try:
                session.ask("BEGIN;", f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;")
            except Trouble as trouble:
                raise impossible(f"the table {table} cannot be held: {trouble}") from None

    def restart_edge(self) -> None:
        """QUIT, and started again: what is in flight is answered."""
        row, native = self.one("nginx"), self.engine.name == "native"
        stop, start = self.native_edge() if native else self.edge_in_a_container(row.id)
        self.mends.callback(start)
        with self.breaking("restart of nginx"):
            stop()
            start()

    def native_edge(self) -> tuple[Callable[[], None], Callable[[], None]]:
        keeper = self.engine.keeper  # type: ignore[attr-defined]

        def start() -> None:
            if keeper.state("nginx") in DOWN:
                keeper.start_again(["nginx"])

        return lambda: keeper.stop(["nginx"], STOP_SECONDS), start

    def edge_in_a_container(self, number: str) -> tuple[Callable[[], None], Callable[[], None]]:
        ask = self.engine.docker.ask  # type: ignore[attr-defined]
        return lambda: ask("docker", "stop", "--time", str(STOP_SECONDS), number), lambda: ask(
            "docker", "start", number
        )

    def forget_certificate(self) -> None:
        """What says for which names it was made: without it the next look makes another."""
        if self.engine.name == "native":
            return (self.engine.settings.run / "credentials" / MARK).unlink(missing_ok=True)
        docker = self.engine.docker  # type: ignore[attr-defined]
        words = (
            "run",
            "--rm",
            "--no-deps",
            "-T",
            "--entrypoint",
            "rm",
            "credentials",
            "-f",
            f"/run/credentials/{MARK}",
        )
        docker.ask(*docker.compose(*words))

    def fill_cache(self) -> None:
        """To the last byte."""
        words = [] if self.engine.name == "native" else ["docker", "exec", self.one("nginx").id]
        filler = self.cache / FILLER
        self.mends.callback(subprocess.run, [*words, "rm", "-f", str(filler)], capture_output=True)
        with self.breaking("full disk"):
            done = subprocess.run(
                [*words, "dd", "if=/dev/zero", f"of={filler}", "bs=64k"], capture_output=True, text=True
            )
        if "No space left" not in done.stderr:
            raise impossible(f"{self.cache} could not be filled: {done.stderr.strip()}")

    def silence_dns(self) -> None:
        """Docker's own name server answers on 127.0.0.11 within each container; what nginx sends there is dropped."""
        pid = self.pids(self.one("nginx"))[0]
        rule = ("OUTPUT", "--destination", "127.0.0.11", "--jump", "DROP")
        words = ["nsenter", f"--net=/proc/{pid}/ns/net", "iptables"]
        self.mends.callback(subprocess.run, [*words, "--delete", *rule], capture_output=True)
        with self.breaking("silence of the name server"):
            done = quiet([*words, "--insert", *rule], capture_output=True)
        if done.returncode:
            raise impossible(f"the name server cannot be silenced, which needs root: {done.stderr.strip()}")

    @contextmanager
    def clients(self, path: str, count: int, pause: float = 0, refusable: bool = False) -> Iterator[None]:
        """So many ask one GET after the other, beside the load; one that is lost breaks the promise.

        Their connections are kept alive, and (!) not looked at before they are used, as the load's are. `refusable`:
        one that finds nobody to connect to has lost nothing, and tries again.
        """
        done = Event()
        threads = [Thread(target=self.keep_asking, args=(path, pause, refusable, done)) for _ in range(count)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            done.set()
            for each in threads:
                each.join()

    def keep_asking(self, path: str, pause: float, refusable: bool, done: Event) -> None:
        client = http.client.HTTPConnection(*self.address, timeout=35)
        while not done.wait(pause):
            try:
                client.request("GET", path)
                answer = client.getresponse()
                answer.read()
                if answer.status != 200:
                    self.broken.append(f"a client's GET {path} was answered {answer.status}")
            except (http.client.HTTPException, OSError) as error:
                if not (refusable and isinstance(error, ConnectionRefusedError)):
                    self.broken.append(f"a client's GET {path} was lost: {error!r}")
                client.close()
        client.close()

    # ------------------------------------------------------------------------------ the end

    @contextmanager
    def mended(self) -> Iterator[None]:
        """However the block ends, afterwards the stack is as it was."""
        try:
            yield
        finally:
            with undisturbed(*TOLD):
                self.mend()

    def mend(self) -> None:
        self.mends.close()
        if self.moments.broken and not self.moments.mended:
            self.works_again()
        self.until(lambda: not self.wrong(), lambda: f"{self.wrong()}; ./ponte up mends it")

    def wrong(self) -> str:
        """What is not as it was before; empty when all is."""
        try:
            rows = self.engine.ps()
        except Failure as failure:
            return str(failure)
        if lame := [each.replica for each in rows if not each.ready]:
            return f"{', '.join(lame)} is not ready"
        counts = Counter(each.service for each in rows)
        return "" if counts == self.before else f"there are {dict(counts)}, before {dict(self.before)}"


def end(session: Session) -> None:
    """psql ends with its input, the lock with psql."""
    session.process.communicate()
