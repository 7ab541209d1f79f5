"""Locks between processes: a file that one process at a time holds, with the name of its holder.

The lock is one of the operating system (flock on Linux and macOS, a locked byte on Windows), which ends with its process,
however the process ends. The file holds the process id and the name of the machine, for the messages to other processes. Its
holder removes it at the end. The file of a process that was killed remains, but is not locked, and the next process takes it
over.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from pellucid.core.system import IS_WINDOWS
from pellucid.errors import FileError, LockedError

_TRIES, _PAUSE = 4, 0.01  # seconds: a reader of the state of a lock holds it for some microseconds
_LOCKED_BYTE = 1 << 30  # Windows locks bytes, which others then cannot read: one far after the content


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, and its machine."""

    process: int
    host: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


@contextlib.contextmanager
def exclusive_lock(path: str | os.PathLike[str], busy: str, advice: str) -> Iterator[None]:
    """Hold a lock on the file ``path`` during the ``with`` block, so that no other process, and no other block, can hold it.

    The file is created if it does not exist, and removed at the end. On a file system without locks, the block runs without
    one. Raises LockedError if another process holds the lock, "``busy`` (process 1234 on HOST): ``advice``", and FileError if
    the file cannot be opened.
    """
    while True:
        try:
            file = open(path, "a+b")  # noqa: SIM115 (closed below)
        except OSError as error:
            raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None
        with file:
            locked = _lock_patiently(file)
            if locked is False:
                raise LockedError(f"{busy} ({_recorded(file) or 'another process'}): {advice}")
            if not _is_at(file, path):
                continue  # its last holder has removed it since it was opened
            with contextlib.suppress(OSError):  # on a full disk, the lock has no name
                os.ftruncate(file.fileno(), 0)
                os.write(file.fileno(), f"{os.getpid()} {platform.node()}\n".encode())
            try:
                yield
            finally:
                if IS_WINDOWS:  # it removes no open file: neither this one nor that of a process which has the lock by now
                    file.close()
                with contextlib.suppress(OSError):
                    if _is_at(file, path):
                        os.unlink(path)
            return


def holder(path: str | os.PathLike[str]) -> Holder | None:
    """Return the process that holds the lock on the file ``path``, or None if there is no lock.

    If another process has just taken the lock and not yet written its name, the process id is 0.
    """
    try:
        file = open(path, "r+b")  # noqa: SIM115 (closed below)
    except OSError:
        return None
    with file:
        if _lock(file) is not False:
            return None
        return _recorded(file) or Holder(0, platform.node())


def this_process() -> Holder:
    """Return this process as the holder of a lock."""
    return Holder(os.getpid(), platform.node())


def is_locked(path: str | os.PathLike[str]) -> bool:
    """Return whether a process holds the lock on the file ``path``."""
    return holder(path) is not None


def _lock_patiently(file: IO[bytes]) -> bool | None:
    """Return what :func:`_lock` returns, after some tries if another process has the lock."""
    for _ in range(_TRIES - 1):
        if (locked := _lock(file)) is not False:
            return locked
        time.sleep(_PAUSE)
    return _lock(file)


def _lock(file: IO[bytes]) -> bool | None:
    """Lock an open file until it is closed; return False if another process has it, None if there are no locks here."""
    try:
        if IS_WINDOWS:
            import msvcrt

            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN) else None
    return True


def _recorded(file: IO[bytes]) -> Holder | None:
    """Return the process that is named in an open lock file, or None if it names none."""
    try:
        file.seek(0)
        process, host = file.read(1000).decode(errors="replace").split(maxsplit=1)
        return Holder(int(process), host.strip())
    except (OSError, ValueError):
        return None


def _is_at(file: IO[bytes], path: str | os.PathLike[str]) -> bool:
    """Return whether the open file is the one that ``path`` names. On Windows it is: nobody can remove an open file."""
    if IS_WINDOWS:  # where the numbers of a file, asked for by its name and by its descriptor, may differ
        return True
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except OSError:
        return False
