"""Whether this process has been told to stop: ends long polls and streams at once, and /readyz with them.

The handler of SIGTERM is put in front of the server's own, which runs after it as if nothing were there.
"""

import _thread
import asyncio
import functools
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


async def told() -> None:
    """Returns once the process is told to stop."""
    await _event(asyncio.get_running_loop()).wait()


@functools.cache
def _event(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    event = asyncio.Event()
    on_stop(functools.partial(loop.call_soon_threadsafe, event.set))
    if _stopping:
        event.set()
    return event


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
        # (!) Not in the handler itself: it may have interrupted a holder of the locks that callbacks take. Nor as a Thread,
        # which waits until it has begun: gevent forbids that here, and the worker would die of it.
        _thread.start_new_thread(_run_callbacks, ())


def _run_callbacks() -> None:
    for callback in _callbacks:
        callback()
