"""`python -I -S probe.py PORT [PATH]`: exit 0 when 127.0.0.1:PORT answers 200 there.

Nothing but sockets is imported: a health check runs every few seconds in every container.
"""

import socket
import sys

TIMEOUT_SECONDS = 3


def status(port: int, path: str) -> str:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(64).decode("latin-1")[9:12]


if __name__ == "__main__":
    try:
        found = status(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "/healthz")
    except OSError as error:
        sys.exit(f"probe: {error}")
    sys.exit(0 if found == "200" else f"probe: answered {found}")
