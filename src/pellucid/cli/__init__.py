"""The command line: each command is a module that parses options, calls the library and prints the result."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection

import typer

COMMANDS = {  # with the lines that pellucid --help prints, in its order
    "train": "Train a network and write a run folder.",
    "evaluate": "Evaluate a trained model, or an ensemble of several.",
    "predict": "Predict classes or numbers for images or tables.",
    "draw": "Draw digits in the browser and see what networks predict.",
    "compare": "Compare runs on the test set.",
    "sweep": "Train over a grid of settings.",
    "export": "Write a trained model as ONNX or as a Python program.",
    "data": "List, download and show data sets.",
    "lab": "Run experiments that test claims of textbooks.",
}


def application(imported: Collection[str] = COMMANDS) -> typer.Typer:
    """Return the command ``pellucid``.

    Only the modules of the ``imported`` subcommands are imported, so that the command starts quickly. The others appear in the
    help of ``pellucid``, but cannot be called.
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
    for name, summary in COMMANDS.items():
        command = getattr(importlib.import_module(f"pellucid.cli.{name}"), name) if name in imported else _not_imported
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, short_help=summary)
        else:
            app.command(name, short_help=summary)(command)
    return app


def _not_imported() -> None:
    raise AssertionError("the module of this command was not imported")


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
    application([word for word in sys.argv[1:2] if word in COMMANDS])()
