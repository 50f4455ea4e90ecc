"""How a run ends: SIGTERM ends it like its run time does, and the workers' last reports are in the figures and in the HTML.

Locust by itself skips the HTML report on SIGTERM, dies of SIGTERM before its workers are there or while a shape runs,
writes the report of a Ctrl-C before the workers' last reports, and waits half a second for those.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import gevent
from gevent.lock import BoundedSemaphore
from locust.env import Environment
from locust.html import get_html_report, process_html_filename
from locust.runners import STATE_INIT, STATE_MISSING, MasterRunner, Runner, WorkerRunner

from loadtests.users.attendance import Attendance

LAST_REPORT_SECONDS = 5  # beyond --stop-timeout; a dead worker is noticed after 4
CANNOT = 3  # the contract's exit code for an environment that cannot do it
logger = logging.getLogger(__name__)


def install(environment: Environment) -> None:
    """Call it last in a listener of `init`: Locust asks in reverse, so its listener for the end comes before all others."""
    runner, events = environment.runner, environment.events
    if isinstance(runner, WorkerRunner):
        events.quitting.add_listener(once(lambda: report_what_is_left(runner)))
    elif isinstance(runner, MasterRunner):
        attendance = Attendance(runner)
        events.test_stop.add_listener(lambda **_: attendance.lose(wait_for_last_reports(runner)))
        end_well(environment, attendance.close)
    elif runner:
        end_well(environment)


def end_well(environment: Environment, *steps: Callable[[], None]) -> None:
    assert environment.runner
    end_early_on_sigterm(environment.runner)
    environment.events.quitting.add_listener(once(environment.runner.quit, *steps, report_writer(environment)))


def once(*steps: Callable[[], None]) -> Callable[..., None]:
    """A listener that takes the steps once. (!) On SIGTERM Locust fires `quitting` twice, the second while the first works."""
    lock, left = BoundedSemaphore(), list(steps)

    def listener(**_: object) -> None:
        with lock:
            while left:
                left.pop(0)()

    return listener


def end_early_on_sigterm(runner: Runner) -> None:
    """Until Locust listens to SIGTERM itself, which it does when its workers are there and its shape is at its end."""

    def end(_: int, __: FrameType | None) -> None:
        if runner.state == STATE_INIT:
            raise SystemExit("locust: ended by SIGTERM before the run began; nothing was measured")
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def report_writer(environment: Environment) -> Callable[[], None]:
    """Takes --html over from Locust, so that there is one report and it is complete."""
    options = environment.parsed_options
    wanted = options.html_file if options else None
    if not (options and wanted):
        return lambda: None
    options.html_file = None
    must_be_writable(Path(wanted).parent)

    def write() -> None:
        if not (environment.runner and environment.runner.stats.total.num_requests):
            return logger.warning("nothing was measured, so %s is not written", wanted)
        options.html_file = wanted
        process_html_filename(options)
        Path(options.html_file).write_text(get_html_report(environment, show_download_link=False), encoding="utf-8")
        options.html_file = None

    return write


def must_be_writable(folder: Path) -> None:
    """Said at the start: at the end of a run it would be too late."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mended = os.access(folder, os.W_OK)
    except OSError:
        mended = False
    if not mended:
        print(f"locust: {str(folder)!r} cannot be written, so there would be no report; name another with --html")
        sys.exit(CANNOT)


def wait_for_last_reports(runner: MasterRunner) -> set[str]:
    """Sends the workers home while the master still listens; returns those that never said good-bye."""
    if not runner.user_count:
        return set()  # the UI's Stop: the users have stopped, the workers stay for the next run
    runner.send_message("quit")
    with gevent.Timeout(runner.environment.stop_timeout + LAST_REPORT_SECONDS, False):
        while any(each.state != STATE_MISSING for each in runner.clients.all):
            gevent.sleep(0.05)
    return {each.id for each in runner.clients.all}


def report_what_is_left(runner: WorkerRunner) -> None:
    """A worker that is told to end by a signal would keep its last seconds to itself."""
    runner.stop()
    data: dict[str, object] = {}
    runner.environment.events.report_to_master.fire(client_id=runner.client_id, data=data)
    runner.send_message("stats", data)
