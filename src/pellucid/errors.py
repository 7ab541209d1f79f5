"""The exceptions that Pellucid raises for invalid input, and the warning about data.

    PellucidError
    ├── ConfigError           an invalid setting, name or combination of parts
    ├── ShapeError            an array or a layer that does not match the shapes around it
    ├── DataError             data that cannot be read, or that cannot be used for training
    ├── FileError             a file that cannot be read or written, or has invalid content
    │   ├── CheckpointError   a model file or checkpoint whose arrays do not fit its network or its optimizer
    │   ├── VersionError      a file that needs a newer version of Pellucid
    │   └── LockedError       a folder that another process is using
    └── DivergedError         NaN or infinity during training

A message names the place, what was expected, what was found, and what to try. The command line prints the message in one line
and exits with code 2. Any other exception is a bug, and its traceback is printed.

DataWarning is the category of warnings about data that can be used, but of which something is lost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable


class PellucidError(Exception):
    """The base class: ``except PellucidError`` catches all errors that the library raises for invalid input."""


class ConfigError(PellucidError, ValueError):
    """An invalid setting, name or combination of parts."""


class ShapeError(PellucidError, ValueError):
    """An array or a layer that does not match the shapes around it."""


class DataError(PellucidError, ValueError):
    """Data that cannot be read, or that cannot be used for training."""


class DataWarning(UserWarning):
    """Data that can be used, but of which something is lost: unknown categories, or differences that float32 cannot hold."""


class FileError(PellucidError, OSError):
    """A file that cannot be read or written, or has invalid content."""


class CheckpointError(FileError):
    """A model file or checkpoint whose arrays do not fit its network or its optimizer."""


class VersionError(FileError):
    """A file of a newer version of Pellucid, which is neither damaged nor readable for this one."""


class LockedError(FileError):
    """A folder that another process is using."""


class DivergedError(PellucidError, ArithmeticError):
    """NaN or infinity during training. The parameters are those before the step in which it occurred."""


def warn_user(text: str) -> None:
    """Warn with DataWarning, at the line outside Pellucid that called it."""
    import warnings  # here, because its import takes time

    package, frame, level = os.path.dirname(__file__), sys._getframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1  # type: ignore[assignment]
    warnings.warn(text, DataWarning, stacklevel=level)


def did_you_mean(name: object, options: Iterable[object]) -> str:
    """Return the end of a message about an unknown name: the most similar option, or else all options.

    Of more than 30 options, only the first ten are listed.
    """
    import difflib  # here, because its import takes time and only errors need it

    known = [str(option) for option in options]
    lower = {option.lower(): option for option in known}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.5)
    if near:
        return f"did you mean {lower[near[0]]!r}?"
    if len(known) > 30:
        known = [*known[:10], f"… ({len(known) - 10} more)"]
    return "choose one of: " + ", ".join(known) if known else "there are no options"
