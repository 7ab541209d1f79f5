"""What is refused before any of our code sees it.

The server runs on a person's own machine, and every page that person opens can send requests to it. So: a Host that is not
this server's (a foreign name that was made to point here: DNS rebinding), an Origin that is not this page's, a body that is
too large, too slow or not said to be JSON, and odd paths are answered with an error and nothing else. Every answer forbids the
browser to load anything from elsewhere, or to show the page inside another.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST = 64 * 1024  # bytes of a request's body
PATIENCE = 10.0  # seconds for a body to arrive
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guards:
    """An application behind which the real one stands. ``names`` are the host names that this server answers to; with
    ``any_address`` also every numeric address, for a server that others on the network may use."""

    def __init__(self, app: ASGIApp, names: Collection[str], *, any_address: bool = False):
        self.app = app
        self.names = frozenset(name.lower() for name in names)
        self.any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # a web socket: there are none here
            await send({"type": "websocket.close", "code": 1008})
            return
        secured = _secured(send)
        refusal = self._refused(scope)
        if refusal is not None:
            status, reason = refusal
            await JSONResponse({"error": reason}, status, {"Connection": "close"})(scope, receive, secured)
            return
        if scope["method"] == "POST":
            body = await _whole(receive)
            if isinstance(body, str):
                status = 413 if body == _TOO_LARGE else 408
                await JSONResponse({"error": body}, status, {"Connection": "close"})(scope, receive, secured)
                return
            receive = _again(body, receive)
        await self.app(scope, receive, secured)

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        """(status, why), or None: the request may pass."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0], scope):
            return 421, "this server does not answer to that host name"
        origins = headers.getlist("origin")
        if any(origin != f"http://{hosts[0]}" for origin in origins):
            return 403, "requests from other pages are refused"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "requests from other pages are refused"
        raw = scope.get("raw_path") or scope["path"].encode()
        if len(raw) > 1000 or any(odd in raw.lower() for odd in (b"..", b"%2e", b"%2f", b"%5c", b"\\", b"%00", b"//")):
            return 404, "there is no such page"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, f"{scope['method'][:20]} is not understood here"
        if scope["method"] == "POST":
            if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
                return 415, "the body of a request is JSON: Content-Type: application/json"
            length = headers.get("content-length")
            if length is not None and not length.isdecimal():
                return 400, "Content-Length is no number"
            if length is not None and (len(length) > 9 or int(length) > LARGEST):
                return 413, _TOO_LARGE
        return None

    def _is_ours(self, host: str, scope: Scope) -> bool:
        name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        if not name:
            name, port = host, "80"
        if not port.isdecimal() or len(port) > 5 or scope.get("server") is None or int(port) != scope["server"][1]:
            return False
        if name.lower() in self.names:
            return True
        return self.any_address and _is_address(name.strip("[]"))


_TOO_LARGE = f"a request has at most {LARGEST // 1024} KB"
_TOO_SLOW = "the request did not arrive in time"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _whole(receive: Receive) -> bytes | str:
    """The body, or why it is refused."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return _TOO_SLOW
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > LARGEST:
                    return _TOO_LARGE
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        return _TOO_SLOW


def _again(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body which was read already, and then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _secured(send: Send) -> Callable[[Any], Any]:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return secured
