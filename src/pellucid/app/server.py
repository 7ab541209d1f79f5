"""The application: all routes behind the guards, and how it is started.

The address is bound, and said, before the server starts; networks are loaded while the page is being opened.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from pellucid.app import comparing, drawing, guards, inside, playing, training, why
from pellucid.app.networks import Networks
from pellucid.data.drawings.corrections import Corrections
from pellucid.errors import ConfigError, PellucidError

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
TRIES = 20  # ports
CLIENTS = 800  # connections at once: fewer than a process may have files open


@dataclass
class Desk:
    """What the server works with: trained networks, the folder for new runs, corrections, the data sets' folder. With
    ``all_runs``, every run in that folder is loaded when the server has started, and if there is none, a pair is trained."""

    networks: Networks
    runs: Path
    corrections: Corrections
    data_dir: Path | None = None
    all_runs: bool = False

    def __post_init__(self) -> None:
        self.jobs = training.Jobs(self.networks, self.runs, self.data_dir)


def application(desk: Desk, host: str = "127.0.0.1") -> ASGIApp:
    """The whole server as an ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        threading.Thread(target=_prepared, args=(desk,), name="networks", daemon=True).start()
        yield
        desk.jobs.close()

    routes: list[BaseRoute] = [
        *static(),
        *drawing.routes(desk.networks, desk.corrections),
        *inside.routes(desk.networks),
        *why.routes(desk.networks, desk.data_dir),
        *playing.routes(),
        *training.routes(desk.jobs, desk.corrections.folder),
        *comparing.routes(desk.networks, desk.data_dir),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: _nothing, 405: _nothing, 500: _broken})
    names = {"127.0.0.1", "localhost", "[::1]", host, socket.gethostname()}
    return guards.Guards(app, names, any_address=host not in ("127.0.0.1", "localhost", "::1"))


def _prepared(desk: Desk) -> None:
    """Loads the networks while the page is being opened, and asks each once, so that the first drawing need not wait."""
    try:
        if desk.all_runs:
            desk.networks.add_all(desk.runs)
            if not len(desk.networks):
                desk.jobs.start_pair()
    except PellucidError as error:
        print(f"no networks: {error}", file=sys.stderr)
    finally:
        desk.networks.ready.set()
    desk.networks.warm()


def static() -> list[BaseRoute]:
    """The page's own files, read once: a request's path is compared with their names and never opens a file."""
    routes: list[BaseRoute] = []
    for file in files("pellucid.app").joinpath("static").iterdir():
        kind = KINDS.get(Path(file.name).suffix)
        if kind is not None:
            path = "/" if file.name == "index.html" else f"/static/{file.name}"
            routes.append(Route(path, _served(file.read_bytes(), kind), methods=["GET"]))
    return routes


def _served(content: bytes, kind: str) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8", headers={"Cache-Control": "no-cache"})

    return endpoint


async def _nothing(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return JSONResponse({"error": "there is no such page" if status == 404 else "not this way"}, status)


async def _broken(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the server ran into an error of its own: see its terminal"}, 500)


def bound(host: str, port: int) -> socket.socket:
    """A socket at that port, or at the next one that is free. Raises ConfigError where none of them is."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason: OSError | None = None
    for number in range(port, min(port + TRIES, 65_536)) if port else (0,):
        # The protocol is named: asyncio sends small answers at once only where it is (else they wait some 40 ms).
        one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, number))
            one.listen(256)
        except OSError as error:
            one.close()
            reason = error
            continue
        return one
    raise ConfigError(f"cannot listen on {host}, port {port} or the {TRIES - 1} after it: {reason}")


class Server(uvicorn.Server):
    """Serves the page: ``Server(desk, host, ready).run([bound(host, port)])`` until it is interrupted, or until its
    ``should_exit`` is set. Calls ``ready`` when the first request can be answered."""

    def __init__(self, desk: Desk, host: str, ready: Callable[[], None]):
        self._desk, self._ready = desk, ready
        super().__init__(
            uvicorn.Config(
                application(desk, host), log_level="warning", access_log=False, lifespan="on", ws="none", server_header=False,
                date_header=False, timeout_keep_alive=30, timeout_graceful_shutdown=2, limit_concurrency=CLIENTS,
            )
        )  # fmt: skip

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the streams of events first, which would not end by themselves."""
        self._desk.jobs.hush()
        await super().shutdown(sockets)
