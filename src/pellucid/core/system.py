"""What differs between operating systems: flushing files to disk, renaming them, allowed names, and encodings of terminals.

Linux, macOS and Windows have functions of the same names for these, which do not promise the same. ``docs/platforms.md`` lists
all differences, and on which systems the library has been run.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TextIO

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

IS_WINDOWS = os.name == "nt"
FIRST_PAUSE, LAST_PAUSE = 0.01, 0.64  # seconds: together 1.3, longer than any reader of Pellucid keeps a file open

_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]')  # by Windows; the slash everywhere
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)  # names of devices of Windows


def flush_to_disk(descriptor: int) -> None:
    """Write what the system still holds of an open file to the disk, so that it outlasts a power cut. Raises OSError.

    On macOS, ``fsync`` leaves the data in the memory of the drive (its manual, fsync(2)); F_FULLFSYNC empties that too. File
    systems without it, such as those of a network, have ``fsync`` alone.
    """
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, full_sync)
            return
    os.fsync(descriptor)


def replace_file(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Rename a file to ``target``, which may exist, in one step. Raises OSError.

    Windows does not replace a file while a program has it open, such as the page that reads the history of a run, or a virus
    scanner: there it is tried again for about a second.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if not IS_WINDOWS or pause > LAST_PAUSE:
                raise
        time.sleep(pause)
        pause *= 2


def portable_name(text: str) -> str:
    """Return ``text`` as the name of a file or folder that every system allows: other characters become ``_``.

    Windows allows none of ``<>:"/\\|?*``, no name of a device such as ``con``, and no dot or space at the end.
    """
    name = _FORBIDDEN.sub("_", text)
    name = name if name.rstrip(". ") == name else name.rstrip(". ") + "_"
    return f"_{name}" if not name or _RESERVED.fullmatch(name) else name


def is_unicode(stream: TextIO) -> bool:
    """Return whether a stream can write every character."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")
