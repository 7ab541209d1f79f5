"""The application with all routes, and the web server.

The socket is bound before the server starts, so that the address can be printed first. A thread loads the networks while the
browser opens the page.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from pellucid.app import guards
from pellucid.app.connections import Connection
from pellucid.app.state import AppState
from pellucid.app.tabs import compare, draw, inside, playground, text, train, why
from pellucid.errors import ConfigError

TABS = (draw, inside, why, playground, text, train, compare)
SHARED = ("dom.js", "pad.js", "rendering.js", "rounding.js", "strokes.js")  # scripts of exported pages that this page uses too
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PORT_ATTEMPTS = 20
MAX_CONNECTIONS = 800  # at once: fewer than the files that a process may open
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


def application(state: AppState, host: str = "127.0.0.1") -> ASGIApp:
    """Return the whole server as an ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=state.load, name="networks", daemon=True).start()
        yield
        state.jobs.close()

    routes = [*static_routes(), *(route for tab in TABS for route in tab.routes(state))]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: _not_found, 405: _not_found, 500: _server_error})
    names = {"127.0.0.1", "localhost", "[::1]", host, socket.gethostname()}
    return guards.GuardMiddleware(app, names, any_address=host not in LOCAL_HOSTS)


def static_routes() -> list[BaseRoute]:
    """Return a route for each file of the page. The files are read once: no request opens a file."""
    routes: list[BaseRoute] = []
    shared = ((f"/static/{name}", files("pellucid.export.web_page").joinpath(name)) for name in SHARED)
    for path, file in (*_files(files("pellucid.app").joinpath("static"), "/static"), *shared):
        media_type = MEDIA_TYPES.get(Path(file.name).suffix)
        if media_type is not None:
            address = "/" if path == "/static/index.html" else path
            routes.append(Route(address, _file_endpoint(file.read_bytes(), media_type), methods=["GET"]))
    return routes


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{path}/{entry.name}")
        else:
            yield f"{path}/{entry.name}", entry


def _file_endpoint(content: bytes, media_type: str) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        return Response(content, media_type=f"{media_type}; charset=utf-8", headers={"Cache-Control": "no-cache"})

    return endpoint


async def _not_found(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return JSONResponse({"error": "this page does not exist" if status == 404 else "this method is not allowed here"}, status)


async def _server_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "internal server error: the traceback is in the server's terminal"}, 500)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket at that port, or at the next free one. Raises ConfigError if there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason: OSError | None = None
    for number in range(port, min(port + PORT_ATTEMPTS, 65_536)) if port else (0,):
        # With the protocol given, asyncio disables Nagle's algorithm; otherwise small answers wait for about 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # On Unix, a port may be used again soon after a server ends. On Windows the same option would let two servers share it.
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if exclusive is None else exclusive, 1)
        try:
            listener.bind((host, number))
            listener.listen(256)
        except OSError as error:
            listener.close()
            reason = error
            continue
        return listener
    raise ConfigError(f"cannot listen on {host}, port {port} or the {PORT_ATTEMPTS - 1} ports after it: {reason}")


class Server(uvicorn.Server):
    """The web server: ``Server(state, host, on_ready).run([bind(host, port)])``.

    It runs until it is interrupted or its ``should_exit`` is set. ``on_ready`` is called when it can answer requests.
    """

    def __init__(self, state: AppState, host: str, on_ready: Callable[[], None]):
        self._state, self._on_ready = state, on_ready
        super().__init__(
            uvicorn.Config(
                application(state, host),
                http=Connection,
                log_level="warning",
                access_log=False,
                lifespan="on",
                ws="none",
                server_header=False,
                date_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=2,
                limit_concurrency=MAX_CONNECTIONS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then call ``on_ready``."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the streams of events, which have no end, then shut down."""
        self._state.jobs.close_streams()
        await super().shutdown(sockets)
