"""The command line: parse, call, print. Each command is a file; what it does stands in the library."""

from __future__ import annotations

import typer

from pellucid.cli.compare import compare
from pellucid.cli.data import data
from pellucid.cli.draw import draw
from pellucid.cli.evaluate import evaluate
from pellucid.cli.export import export
from pellucid.cli.lab import lab
from pellucid.cli.predict import predict
from pellucid.cli.sweep import sweep
from pellucid.cli.train import train

app = typer.Typer(
    name="pellucid",
    help="Train small neural networks, look at them, use them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(train)
app.command()(evaluate)
app.command()(predict)
app.command()(draw)
app.command()(compare)
app.command()(sweep)
app.command()(export)
app.add_typer(data, name="data")
app.add_typer(lab, name="lab")


def _version(wanted: bool) -> None:
    if wanted:
        from pellucid import __version__

        typer.echo(f"pellucid {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version and exit."),
) -> None:
    """Train small neural networks, look at them, use them."""


def main() -> None:
    """The entry point of the command ``pellucid``."""
    app()
