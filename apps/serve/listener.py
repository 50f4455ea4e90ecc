"""Closing a listening socket without losing who stands in its queue."""

import contextlib
import ctypes
import socket
import struct

SO_ATTACH_FILTER = 26
# A classic BPF program on the TCP header: flags & (SYN|ACK) == SYN -> drop, else take the packet whole.
DROP_SYN = [(0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]
# Handshakes that had begun before the filter are complete by then, on a busy machine too.
LAST_HANDSHAKES_SECONDS = 0.1
# How long after its last use an idle connection of a stopping server stays, for a request that the proxy has begun to
# send: a POST sent in the moment it is closed is lost. By use and not all at once, for the proxy takes the one used last:
# those that are closed first are those that it would take last, and it uses up the others meanwhile.
# (!) Between the two moments at which many requests come at once: the proxy's proxy_connect_timeout, when those that
# got no answer to their handshake go on, and its fail_timeout, when it comes back to a replica that refused it.
LINGER_SECONDS = 1.5


def stop_queueing(listener: socket.socket) -> None:
    """New connections get no answer from now on, so what is in the queue can be accepted to the last.

    Without it a connection that arrives between the last accept() and close() is reset. Whoever is not
    answered asks again after a second, and is then refused: a proxy takes the next replica.
    Linux only; elsewhere that short moment stays.
    """
    program = b"".join(struct.pack("HBBI", *step) for step in DROP_SYN)
    buffer = ctypes.create_string_buffer(program)
    with contextlib.suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(DROP_SYN), ctypes.addressof(buffer))
        )
