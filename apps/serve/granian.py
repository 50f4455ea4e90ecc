"""`serve.granian:app`: the application of SERVICE under Granian's threads, hearing of a stop.

A worker sets its handler of SIGTERM after it has loaded the application, in the place of the one that ends long polls.
"""

import os
import signal
from functools import wraps
from pkgutil import resolve_name

from core import stopping
from core.settings import Settings
from granian import _signals

servers_own = _signals.set_sync_signals


@wraps(servers_own)
def set_sync_signals() -> object:
    event = servers_own()
    stopping.watch()
    signal.siginterrupt(signal.SIGTERM, True)  # or the worker, which waits for a lock, would not wake up
    return event


_signals.set_sync_signals = set_sync_signals
app = resolve_name(Settings.from_env(os.environ, os.environ["SERVICE"]).about.app)
