"""``pellucid draw``: the page on this machine where digits are drawn and networks are watched."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import typer

from pellucid.cli.common import reported, say
from pellucid.data import Corrections
from pellucid.errors import ConfigError


@reported
def draw(
    runs: list[Path] = typer.Argument(None, help="Run folders to ask [default: all in runs/]."),
    port: int = typer.Option(8137, "--port", min=0, max=65535, help="The port; the next free one is taken where it is in use."),
    host: str = typer.Option("127.0.0.1", "--host", help="The address to listen on; 0.0.0.0 lets others on the network in."),
    no_open: bool = typer.Option(False, "--no-open", help="Open no browser."),
    data_dir: Path | None = typer.Option(None, "--data-dir", help="The folder with the data's files."),
    corrections: Path = typer.Option(Path("corrections"), "--corrections", help="The folder to keep corrected drawings in."),
) -> None:
    """Draw digits in the browser and see what networks make of them, and why; train and compare there.

    The page is served from this machine alone and loads nothing from elsewhere. Ctrl-C ends it.
    """
    try:
        from pellucid.app import server
        from pellucid.app.networks import Networks
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn", "anyio"):
            raise
        raise ConfigError("the drawing mode needs Starlette and uvicorn: pip install 'pellucid[app]'") from None
    at = server.bound(host, port)
    taken = at.getsockname()[1]
    if port not in (0, taken):
        say(f"port {port} is in use: taking {taken}")
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{taken}/"
    say(f"drawing mode: {address}   (Ctrl-C ends it)")
    if host not in ("127.0.0.1", "localhost", "::1"):
        say(f"anybody who reaches this machine at {host} can use the page, and train on this machine")
    sys.stdout.flush()
    networks = Networks()
    if runs:
        networks.add(*runs)
    desk = server.Desk(networks, Path("runs"), Corrections(corrections), data_dir, all_runs=not runs)
    server.Server(desk, host, lambda: _opened(address, no_open)).run([at])


def _opened(address: str, no_open: bool) -> None:
    if not no_open:
        webbrowser.open(address)
