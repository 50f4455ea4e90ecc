"""http3_get.py ADDRESS PORT HOST PATH: one GET over HTTP/3; prints the answer's headers, or that there was none."""

import asyncio
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset

SECONDS = 5


class Client(QuicConnectionProtocol):
    def get(self, host: str, path: str) -> asyncio.Future[list[tuple[bytes, bytes]]]:
        self.http, self.answer = H3Connection(self._quic), asyncio.get_running_loop().create_future()
        wanted = {":method": "GET", ":scheme": "https", ":authority": host, ":path": path}
        stream = self._quic.get_next_available_stream_id()
        self.http.send_headers(stream, [(k.encode(), v.encode()) for k, v in wanted.items()], end_stream=True)
        self.transmit()
        return self.answer

    def quic_event_received(self, event) -> None:
        if not hasattr(self, "http") or self.answer.done():
            return
        if isinstance(event, StreamReset | ConnectionTerminated):
            self.answer.set_result([])
        for each in self.http.handle_event(event):
            if isinstance(each, HeadersReceived):
                self.answer.set_result(each.headers)


async def main(address: str, port: str, host: str, path: str) -> None:
    how = QuicConfiguration(alpn_protocols=H3_ALPN, server_name=host, verify_mode=ssl.CERT_NONE)
    async with connect(address, int(port), configuration=how, create_protocol=Client) as client:
        headers = await asyncio.wait_for(client.get(host, path), SECONDS)
    print(*(b": ".join(each).decode() for each in headers) if headers else ["no answer"], sep="\n")


asyncio.run(main(*sys.argv[1:]))
