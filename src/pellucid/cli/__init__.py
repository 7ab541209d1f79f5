"""The command line: parse, call, print. Each command is a file; what it does stands in the library."""

from __future__ import annotations

import importlib
import sys

import typer

COMMANDS = ("train", "evaluate", "predict", "draw", "compare", "sweep", "export", "data", "lab")  # as --help lists them


def application(only: str | None = None) -> typer.Typer:
    """The command ``pellucid``: all of it, or with the one subcommand that was asked for, so that no other's file is loaded."""
    app = typer.Typer(
        name="pellucid",
        help="Train small neural networks, look at them, use them.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(root)
    for name in (only,) if only in COMMANDS else COMMANDS:
        command = getattr(importlib.import_module(f"pellucid.cli.{name}"), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from pellucid.core.version import __version__

        typer.echo(f"pellucid {__version__}")
        raise typer.Exit


def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version and exit."),
) -> None:
    """Train small neural networks, look at them, use them."""


def main() -> None:
    """The entry point of the command ``pellucid``."""
    application(*sys.argv[1:2])()
