"""The connections of the server: those that send no complete request are closed.

A browser sends the headers of a request at once. A client that sends them slowly, or never ends them, would keep its connection
for as long as it likes, and enough such clients would use up all connections. Here the headers of a request have a time limit,
and where there are many idle connections, a new one takes the place of the oldest.
"""

from __future__ import annotations

import asyncio
import time

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_TIMEOUT = 10.0  # seconds from the first byte of a request, or from the connection, to the end of its headers
MAX_IDLE = 400  # connections without a request in progress: half of all that the server accepts


class Connection(H11Protocol):
    """One connection, which is closed if the headers of a request do not arrive within HEADER_TIMEOUT."""

    _deadline: asyncio.TimerHandle | None = None
    idle_since = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress: its headers are not complete, or the response has been sent."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit, and close the connection that has been idle longest if there are too many."""
        super().connection_made(transport)
        self.idle_since = time.monotonic()
        self._start_deadline()
        if len(self.connections) > MAX_IDLE:
            idle = [one for one in self.connections if isinstance(one, Connection) and one.is_idle]
            if len(idle) > MAX_IDLE:
                min(idle, key=lambda one: one.idle_since).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Handle the data. The time limit ends with the headers; that of the next request starts with its first byte."""
        super().data_received(data)
        if self.is_idle:
            self._start_deadline()
        else:
            self._end_deadline()

    def on_response_complete(self) -> None:
        """Note the time: the connection is idle from now on."""
        self.idle_since = time.monotonic()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the time limit."""
        self._end_deadline()
        super().connection_lost(exc)

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_TIMEOUT, self._expire)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self.is_idle and not self.transport.is_closing():
            self.transport.abort()
