"""`python -I -S probe.py PORT [PATH]`: exit 0 when 127.0.0.1:PORT answers 200 there.

With `--ready-first` the path is /readyz until that has been 200 once in this container, then /healthz: for an engine
that routes to whoever is healthy, and replaces whoever is not.
Nothing but sockets is imported: a health check runs every few seconds in every container.
"""

import socket
import sys

TIMEOUT_SECONDS = 3
READY_FIRST = "--ready-first"
WAS_READY = "/tmp/was-ready"  # of this container alone, and gone with it


def status(port: int, path: str) -> str:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(64).decode("latin-1")[9:12]


def main(port: int, word: str = "/healthz") -> None:
    path = word if word != READY_FIRST else "/healthz" if was_ready() else "/readyz"
    found = status(port, path)
    if found != "200":
        sys.exit(f"probe: answered {found}")
    if word == READY_FIRST:
        open(WAS_READY, "w").close()


def was_ready() -> bool:
    try:
        open(WAS_READY).close()
    except FileNotFoundError:
        return False
    return True


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), *sys.argv[2:3])
    except OSError as error:
        sys.exit(f"probe: {error}")
