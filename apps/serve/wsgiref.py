"""`python -m serve.wsgiref app:app --port 8000`: the standard library's server, one request at a time, as a reference."""

import argparse
import signal
import threading
from http.server import HTTPServer
from pkgutil import resolve_name
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from core import stopping

from serve.commands import BACKLOG


class Handler(WSGIRequestHandler):
    def log_message(self, *words: object) -> None:
        """Requests are not logged, here as elsewhere."""


class Server(WSGIServer):
    request_queue_size = BACKLOG

    def server_bind(self) -> None:
        """Without looking the address up: where no name server answers that takes seconds."""
        super(HTTPServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


def main() -> None:
    parser = argparse.ArgumentParser(prog="serve.wsgiref")
    parser.add_argument("app")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    server = Server((options.host, options.port), Handler)
    server.set_app(resolve_name(options.app))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    stopping.watch()
    server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
