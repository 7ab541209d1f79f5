"""``pellucid draw``: a page in the browser to draw digits, and to train, examine and compare networks."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import typer

from pellucid.cli import options
from pellucid.cli.common import echo, report_errors
from pellucid.data import Corrections
from pellucid.errors import ConfigError

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
ALL_ADDRESSES = ("0.0.0.0", "::")


@report_errors
def draw(
    runs: list[Path] = typer.Argument(None, metavar="RUN", help="The run folders to load.  [default: all in runs/]"),
    port: int = typer.Option(8137, "--port", min=0, max=65535, help="The port; the next free one is used if it is in use."),
    host: str = typer.Option(
        "127.0.0.1", "--host", metavar="ADDRESS", help="The address to listen on; 0.0.0.0 allows access from other machines."
    ),
    no_open: bool = typer.Option(False, "--no-open", help="Do not open a browser."),
    data_dir: options.DataDir = None,
    corrections: Path = typer.Option(
        Path("corrections"), "--corrections", metavar="FOLDER", help="The folder in which corrected drawings are stored."
    ),
) -> None:
    """Draw digits in the browser, and see what networks predict for them and why.

    The page can also train networks and compare them. It is served by this machine and loads nothing from the internet. Ctrl-C
    stops the server.
    """
    try:
        from pellucid.app import server
        from pellucid.app.networks import Networks
        from pellucid.app.state import AppState
        from pellucid.app.texts import TextNetworks, is_text
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn", "anyio"):
            raise
        raise ConfigError("the drawing mode needs Starlette and uvicorn: pip install 'pellucid[app]'") from None
    listener = server.bind(host, port)
    bound_port = listener.getsockname()[1]
    if port not in (0, bound_port):
        echo(f"port {port} is in use: using {bound_port}")
    shown_host = LOCAL_HOSTS[0] if host in ALL_ADDRESSES else f"[{host}]" if ":" in host else host
    address = f"http://{shown_host}:{bound_port}/"
    echo(f"drawing mode: {address}   (Ctrl-C stops it)")
    if host not in LOCAL_HOSTS:
        echo("anyone who can reach this machine over the network can use the page and train networks on it")
    sys.stdout.flush()
    networks, texts = Networks(), TextNetworks()
    for run in runs or []:
        texts.add(run) if is_text(run) else networks.add(run)
    state = AppState(networks, Path("runs"), Corrections(corrections), data_dir, load_runs=not runs, texts=texts)

    def on_ready() -> None:
        if not no_open:
            webbrowser.open(address)

    server.Server(state, host, on_ready).run([listener])
