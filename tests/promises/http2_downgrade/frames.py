"""HTTP/2 as no client would send it: one request over TLS, its headers as they are given."""

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events
import h2.settings

from tests import wire

# h2 checks and mends what it sends; we are after what others would do.
CONFIG = h2.config.H2Configuration(
    validate_outbound_headers=False, normalize_outbound_headers=False, validate_inbound_headers=False
)
CLIENT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # whose certificate it is, is another promise
CLIENT.check_hostname, CLIENT.verify_mode = False, ssl.CERT_NONE
CLIENT.set_alpn_protocols(["h2"])
Headers = Iterable[tuple[bytes, bytes]]


@dataclass
class Reply:
    """How one stream ended: a status and a body, a reset, or the end of the whole connection."""

    status: int | None = None
    body: bytes = b""
    headers: dict[bytes, bytes] | None = None
    ended: str = ""  # "stream", "reset", "connection"


def ask(to: wire.Address, headers: Headers, body: bytes | None = None, seconds: float = 5) -> Reply:
    with wire.connection(to, seconds) as plain, CLIENT.wrap_socket(plain, server_hostname="localhost") as sock:
        assert sock.selected_alpn_protocol() == "h2"
        connection = h2.connection.H2Connection(CONFIG)
        connection.initiate_connection()
        stream = connection.get_next_available_stream_id()
        connection.send_headers(stream, list(headers), end_stream=body is None)
        if body is not None:
            connection.send_data(stream, body, end_stream=True)
        return listened(sock, connection)


def listened(sock: socket.socket, connection: h2.connection.H2Connection) -> Reply:
    reply = Reply()
    sock.sendall(connection.data_to_send())
    while not reply.ended:
        try:
            received = sock.recv(65536)
        except (TimeoutError, ConnectionResetError):
            received = b""
        for event in connection.receive_data(received) if received else ():
            take(reply, event)
        reply.ended = reply.ended or ("" if received else "connection")
        sock.sendall(connection.data_to_send()) if not reply.ended else None
    return reply


def take(reply: Reply, event: h2.events.Event) -> None:
    match event:
        case h2.events.ResponseReceived(headers=headers):
            reply.headers = dict(headers)
            reply.status = int(reply.headers[b":status"])
        case h2.events.DataReceived(data=data):
            reply.body += data
        case h2.events.StreamEnded():
            reply.ended = "stream"
        case h2.events.StreamReset():
            reply.ended = "reset"
        case h2.events.ConnectionTerminated():
            reply.ended = "connection"
