"""The command line: each command is a module that parses options, calls the library and prints the result."""

from __future__ import annotations

import importlib
import sys

import typer

COMMANDS = ("train", "evaluate", "predict", "draw", "compare", "sweep", "export", "data", "lab")  # in the order of --help


def application(command: str | None = None) -> typer.Typer:
    """Return the command ``pellucid``.

    With the name of a subcommand it has this one only, so that the modules of the others are not imported.
    """
    app = typer.Typer(
        name="pellucid",
        help="Train small neural networks, examine them and use them.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(root)
    for name in (command,) if command in COMMANDS else COMMANDS:
        function = getattr(importlib.import_module(f"pellucid.cli.{name}"), name)
        if isinstance(function, typer.Typer):
            app.add_typer(function, name=name)
        else:
            app.command(name)(function)
    return app


def _print_version(given: bool) -> None:
    if given:
        from pellucid.core.version import __version__

        typer.echo(f"pellucid {__version__}")
        raise typer.Exit


def root(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
) -> None:
    """Train small neural networks, examine them and use them."""


def main() -> None:
    """Run the command ``pellucid`` with the arguments of this process."""
    application(*sys.argv[1:2])()
