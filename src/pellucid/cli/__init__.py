"""The command line: each command is a module that parses options, calls the library and prints the result."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Collection
from typing import Any

import typer
from typer.core import TyperCommand

from pellucid.core import launcher
from pellucid.core.system import is_unicode

INTERRUPTED = 130  # the exit code after Ctrl-C
ON_RANKS = ("train", "resume")  # the commands that ranks started by mpiexec run together
COMMANDS = {  # with the lines that pellucid --help prints, in its order
    "train": "Train a network and write a run folder.",
    "resume": "Continue a run that was interrupted.",
    "evaluate": "Evaluate a trained model, or an ensemble of several.",
    "predict": "Predict classes or numbers for images or tables.",
    "generate": "Write text with a language model.",
    "draw": "Draw digits in the browser and see what networks predict.",
    "compare": "Compare runs on the test set.",
    "doctor": "Find what is wrong with a run or with data, and what to try.",
    "sweep": "Train over a grid of settings.",
    "export": "Write a trained model as ONNX, Python, C or a web page.",
    "data": "List, download and show data sets.",
    "lab": "Run experiments that test claims of textbooks.",
    "warm-up": "Compile the kernels that presets need, ahead of their use.",
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
        module = name.replace("-", "_")
        command = getattr(importlib.import_module(f"pellucid.cli.{module}"), module) if name in imported else _not_imported
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, short_help=summary)
        else:
            app.command(name, short_help=summary)(command)
    groups = [group.typer_instance for group in app.registered_groups if group.typer_instance is not None]
    for group in (app, *groups):
        for registered in group.registered_commands:
            registered.cls = Command
    return app


class Command(TyperCommand):
    """A command that refuses an option that is given twice. Otherwise the last value would silently replace the others."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in given:
            takes_one = not getattr(option, "multiple", True) and not getattr(option, "is_flag", True)
            if takes_one and given.count(option) > 1:
                ctx.fail(f"{option.opts[0]} is given {given.count(option)} times, but takes one value")
        return super().parse_args(ctx, args)


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


def _print_everything() -> None:
    r"""Make standard output print characters that its encoding lacks as ``\u2192``, as standard error does.

    A file or pipe has the code page of the system on Windows, such as cp1252, which has no → and no ≥.
    """
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and not is_unicode(out):
        out.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command ``pellucid`` with the arguments of this process."""
    _print_everything()
    launch = launcher.launched()
    if launch is not None and sys.argv[1:2] and sys.argv[1] in COMMANDS and sys.argv[1] not in ON_RANKS:
        if launch.rank == 0:
            advice = "; a sweep starts its own processes, with --jobs" if sys.argv[1] == "sweep" else ""
            shared = " and ".join(f"pellucid {name}" for name in ON_RANKS if name in COMMANDS)
            typer.echo(
                f"error: pellucid {sys.argv[1]} does not run on several ranks: start it without mpiexec; {shared} "
                f"may be started with it{advice}",
                err=True,
            )
        sys.exit(2)
    try:
        command = application([word for word in sys.argv[1:2] if word in COMMANDS])
    except KeyboardInterrupt:  # while modules are imported; a command that runs handles it itself
        typer.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    command()
