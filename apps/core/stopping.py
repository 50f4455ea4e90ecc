"""Whether this process has been told to stop: ends long polls and streams at once, and /readyz with them.

The handler of SIGTERM is put in front of the server's own, which runs after it as if nothing were there.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType

_callbacks: list[Callable[[], object]] = []
_stopping = False


def stopping() -> bool:
    return _stopping


def on_stop(callback: Callable[[], object]) -> None:
    """Calls back, from another thread, once the process is told to stop."""
    _callbacks.append(callback)


def watch() -> None:
    """Puts the handler in place; called again wherever a server may have set its own since."""
    if threading.current_thread() is not threading.main_thread():
        return
    servers_own = signal.getsignal(signal.SIGTERM)
    if getattr(servers_own, "ponte", False) or not callable(servers_own):
        return

    def begin(number: int, frame: FrameType | None) -> None:
        tell()
        servers_own(number, frame)

    begin.ponte = True  # type: ignore[attr-defined]
    signal.signal(signal.SIGTERM, begin)
    signal.siginterrupt(signal.SIGTERM, False)


def tell() -> None:
    global _stopping
    if not _stopping:
        _stopping = True
        # (!) Not in the handler itself: it may have interrupted a holder of the locks that callbacks take.
        threading.Thread(target=_run_callbacks, daemon=True).start()


def _run_callbacks() -> None:
    for callback in _callbacks:
        callback()
