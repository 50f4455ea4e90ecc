"""The process that sends: `python -m loadtests.oracle.process PLAN` until its standard input ends.

On standard output it says `ready` once everything is connected, or in a sentence why that cannot be.
"""

import asyncio
import json
import sys
from pathlib import Path

from loadtests.errors import Stop
from loadtests.oracle.client import Client, Plan
from loadtests.oracle.records import LISTENERS, REQUESTS, SUMMARY, line
from loadtests.sockets.limits import raise_open_files


def end_of_input() -> asyncio.Event:
    """Nothing is ever written to it: when there is something to read, it has ended."""
    ended, loop, file = asyncio.Event(), asyncio.get_running_loop(), sys.stdin.fileno()

    def end() -> None:
        loop.remove_reader(file)
        ended.set()

    loop.add_reader(file, end)
    return ended


async def work(plan: Plan) -> None:
    folder = Path(plan.folder)
    with (folder / REQUESTS).open("w", encoding="utf-8", buffering=1) as notes:  # lines, also of one that is killed
        client = Client(plan, notes)
        try:
            summary = await client.run(end_of_input())
        finally:
            await client.close()
    (folder / LISTENERS).write_text("".join(line(each.record) + "\n" for each in client.readers))
    (folder / SUMMARY).write_text(line(summary) + "\n")


def main(plan: str) -> int:
    given = json.loads(plan)
    raise_open_files(0)
    # httpcore imports it at every lock, some three times a request, and what is not installed is looked for on the disk
    # again each time. (!) None: "not there", told from memory.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
    try:
        asyncio.run(work(Plan(**given | {"services": tuple(given["services"])})))
    except Stop as stop:
        print(stop, flush=True)
        return stop.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
