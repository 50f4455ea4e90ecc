"""`python -m serve.hypercorn app:app --bind 127.0.0.1:8000`: Hypercorn with its own options, and what no flag can say.

Of several workers the stock one tells none that it is to stop: they learn it from an event, and the application, which
watches for SIGTERM, does not learn it. And when the first has ended, its parent sends SIGTERM to the others, which are
still finishing.
"""

import logging
import os
import signal
import sys
from typing import Any

from core import logs, stopping
from hypercorn import __main__ as command
from hypercorn.asyncio import run as worker
from hypercorn.config import Config

from serve.commands import HEAD_BYTES, WEBSOCKET_LIMIT

told = worker.check_multiprocess_shutdown_event


async def tell_application(shutdown_event: Any, sleep: Any) -> None:
    await told(shutdown_event, sleep)
    stopping.tell()


Config.errorlog = logging.getLogger("hypercorn.error")
Config.include_server_header = False
Config.h11_max_incomplete_size = HEAD_BYTES
Config.websocket_max_message_size = WEBSOCKET_LIMIT
# At import, not under __main__: worker processes import this module again.
worker.check_multiprocess_shutdown_event = tell_application
if __name__ == "__mp_main__":  # a worker
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
logs.configure(os.environ.get("SERVICE", ""), os.environ.get("REPLICA", ""), os.environ.get("LOG_LEVEL") or "info")

if __name__ == "__main__":
    sys.exit(command.main())
