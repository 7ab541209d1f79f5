"""The checks of every request before any other code runs.

The server runs on a personal computer, and every web page that its user opens can send requests to it. The guards refuse
requests with the Host of another server (DNS rebinding: a foreign name that resolves to this machine), with the Origin of
another page, with a body that is too large, too slow or not declared as JSON, and with unusual paths. Every answer has headers
that forbid the browser to load anything from another server, or to show the page inside another page.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 64 * 1024  # bytes
BODY_TIMEOUT = 10.0  # seconds
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


class GuardMiddleware:
    """An ASGI application that checks each request and passes it on to ``app``.

    ``names`` are the host names that are accepted; with ``any_address`` numeric addresses are accepted too, for a server that
    others on the network use.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], *, any_address: bool = False):
        self.app = app
        self.names = frozenset(name.lower() for name in names)
        self.any_address = any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # a web socket
            await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_security_headers(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            status, reason = refusal
            await JSONResponse({"error": reason}, status, {"Connection": "close"})(scope, receive, send)
            return
        if scope["method"] == "POST":
            body = await _read_body(receive)
            if isinstance(body, str):
                status = 413 if body == _TOO_LARGE else 408
                await JSONResponse({"error": body}, status, {"Connection": "close"})(scope, receive, send)
                return
            receive = _replay(body, receive)
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return the status and the reason of a refusal, or None for a request that may pass."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_accepted(hosts[0], scope):
            return 421, "this server has another host name"
        origins = headers.getlist("origin")
        if any(origin != f"http://{hosts[0]}" for origin in origins):
            return 403, "requests from other pages are refused"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "requests from other pages are refused"
        raw = scope.get("raw_path") or scope["path"].encode()
        if len(raw) > 1000 or any(part in raw.lower() for part in (b"..", b"%2e", b"%2f", b"%5c", b"\\", b"%00", b"//")):
            return 404, "this page does not exist"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, f"the method {scope['method'][:20]} is not supported"
        if scope["method"] == "POST":
            if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
                return 415, "the body of a request must be JSON: set Content-Type: application/json"
            length = headers.get("content-length")
            if length is not None and not length.isdecimal():
                return 400, "Content-Length is not a number"
            if length is not None and (len(length) > 9 or int(length) > MAX_BODY):
                return 413, _TOO_LARGE
        return None

    def _is_accepted(self, host: str, scope: Scope) -> bool:
        name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        if not name:
            name, port = host, "80"
        if not port.isdecimal() or len(port) > 5 or scope.get("server") is None or int(port) != scope["server"][1]:
            return False
        if name.lower() in self.names:
            return True
        return self.any_address and _is_address(name.strip("[]"))


_TOO_LARGE = f"the body of a request may have at most {MAX_BODY // 1024} KB"
_TOO_SLOW = "the request did not arrive in time"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _read_body(receive: Receive) -> bytes | str:
    """Return the body, or the reason for refusing it."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return _TOO_SLOW
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BODY:
                    return _TOO_LARGE
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        return _TOO_SLOW


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that returns the body that was read already, then the later messages."""
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_security_headers(send: Send) -> Callable[[Any], Any]:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers
