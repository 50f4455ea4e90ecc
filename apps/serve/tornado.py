"""`python -m serve.tornado app:app --port 8000`: a WSGI application on Tornado's WSGIContainer, as a reference."""

import argparse
import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from pkgutil import resolve_name

from core import stopping
from tornado.httpserver import HTTPServer
from tornado.wsgi import WSGIContainer

from serve.commands import BACKLOG, HEAD_BYTES, UNBOUNDED


async def serve(options: argparse.Namespace) -> None:
    container = WSGIContainer(resolve_name(options.app), ThreadPoolExecutor(options.threads))
    server = HTTPServer(container, max_header_size=HEAD_BYTES, max_body_size=UNBOUNDED, max_buffer_size=UNBOUNDED)
    server.listen(options.port, options.host, backlog=BACKLOG)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    stopping.watch()
    await stop.wait()
    server.stop()
    await server.close_all_connections()


def main() -> None:
    parser = argparse.ArgumentParser(prog="serve.tornado")
    parser.add_argument("app")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=8)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
