"""Every exception that Pellucid raises on purpose.

    PellucidError
    ├── ConfigError       a setting, a name or a combination of parts that cannot be
    ├── ShapeError        an array or a layer does not fit its neighbour
    ├── DataError         data that cannot be read, or cannot be learned from
    ├── FileError         a file that cannot be read or written, or is not what it says
    │   └── CheckpointError   a file of training state that does not fit this model
    └── DivergedError     training produced NaN or infinity

A message says where, what was expected, what came, and what to try. The command line prints these in one line and
exits with 2; any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable


class PellucidError(Exception):
    """The root: ``except PellucidError`` catches whatever the library refuses."""


class ConfigError(PellucidError, ValueError):
    """A setting, a name or a combination of parts that cannot be."""


class ShapeError(PellucidError, ValueError):
    """An array or a layer does not fit its neighbour."""


class DataError(PellucidError, ValueError):
    """Data that cannot be read, or cannot be learned from."""


class FileError(PellucidError, OSError):
    """A file that cannot be read or written, or is not what it says."""


class CheckpointError(FileError):
    """A file of training state that does not fit this model."""


class DivergedError(PellucidError, ArithmeticError):
    """Training produced NaN or infinity; the parameters are those before the bad step."""


def did_you_mean(name: object, options: Iterable[object]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them; of very many the first."""
    import difflib  # here and not above: only who errs waits for it

    known = [str(option) for option in options]
    lower = {option.lower(): option for option in known}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.5)
    if near:
        return f"did you mean {lower[near[0]]!r}?"
    if len(known) > 30:
        known = [*known[:10], f"… ({len(known) - 10} more)"]
    return "choose one of: " + ", ".join(known) if known else "there is nothing to choose from"
