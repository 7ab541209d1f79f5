"""Getting a file from whichever mirror answers first, and keeping it only if it is the right one.

A missing network must be noticed within seconds, but looking up a name can hang for minutes and cannot be interrupted.
So each mirror is asked in a thread of its own, a daemon that nobody waits for: the first answer is used, and when none
has come by the deadline there is no network. What arrives goes into a temporary file, is checked there, and only then
takes its place.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from pellucid.core.files import replaced
from pellucid.errors import DataError, FileError, PellucidError

_ANSWER = 4.5  # seconds for the first answer of any mirror: with what comes around it, no network is noticed within 5
_STALL = 15.0  # seconds without a byte after which a mirror is given up
_LARGEST = 200 << 20  # bytes: the largest file among the sources has 26 million
_CHUNK = 1 << 18


class _Failed(Exception):
    """Why a mirror was given up."""


def fetch(urls: Sequence[str], target: str | os.PathLike[str], check: Callable[[Path], None]) -> str:
    """Puts one of ``urls`` at ``target`` and returns the one that was used.

    ``check(path)`` looks at the complete file under its temporary name and raises a PellucidError if it is not the
    right one; then the next mirror is asked, as it is when one fails, stalls or sends too much. A file that was at
    ``target`` before stays until the new one has passed.

    Raises DataError if no mirror delivers (within 5 seconds if none answers), FileError if ``target`` cannot be written.
    """
    target, problems = Path(target), dict[str, str]()
    while answer := _first_answer([url for url in urls if url not in problems], problems):
        url, response = answer
        try:
            with contextlib.closing(response):
                _keep(response, url, target, check)
            return url
        except _Failed as error:
            problems[url] = str(error)
    tried = "; ".join(f"{_host(url)}: {problems.get(url, f'no answer within {_ANSWER:g} s')}" for url in urls)
    raise DataError(
        f"{target.name} could not be downloaded. Tried {tried}. Is there a network? Without one, name a folder "
        "that holds the files: data_dir=… or PELLUCID_DATA"
    )


def _first_answer(urls: Sequence[str], problems: dict[str, str]) -> tuple[str, Any] | None:
    """(url, response) of the mirror that answers first, or None; ``problems`` gets those that refused before."""
    answers: queue.Queue[tuple[str, Any]] = queue.Queue()
    lock, over = threading.Lock(), threading.Event()

    def ask(url: str) -> None:
        answer = _opened(url)
        with lock:
            if not over.is_set():
                answers.put((url, answer))
            elif not isinstance(answer, str):
                answer.close()

    for url in urls:
        threading.Thread(target=ask, args=(url,), name=f"mirror {_host(url)}", daemon=True).start()
    deadline = time.monotonic() + _ANSWER
    try:
        for _ in urls:
            url, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            if not isinstance(answer, str):
                return url, answer
            problems[url] = answer
    except queue.Empty:
        pass
    finally:
        with lock:
            over.set()
            while not answers.empty():
                late = answers.get_nowait()[1]
                if not isinstance(late, str):
                    late.close()
    return None


def _opened(url: str) -> Any:
    """The response to a request for ``url``, or a string that says why there is none."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "pellucid", "Accept-Encoding": "identity"})
        return urllib.request.urlopen(request, timeout=_STALL)
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__


def _keep(response: Any, url: str, target: Path, check: Callable[[Path], None]) -> None:
    """Writes the response to a temporary file, checks it, and puts it at ``target``; _Failed if the mirror is to blame."""
    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdecimal() else None
    if expected is not None and expected > _LARGEST:
        raise _Failed(f"offers {expected:,} bytes, more than the {_LARGEST:,} that any of these files has")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{target.parent}: the folder cannot be made: {error.strerror or error}") from None
    with replaced(target) as file:
        received = 0
        with _progress(target.name, _host(url), expected) as show:
            while chunk := _chunk(response):
                received += len(chunk)
                if received > _LARGEST:
                    raise _Failed(f"sends more than the {_LARGEST:,} bytes that any of these files has")
                file.write(chunk)
                show(received)
        if expected is not None and received < expected:
            raise _Failed(f"broke off after {received:,} of {expected:,} bytes")
        _check(file, check)


def _chunk(response: Any) -> bytes:
    try:
        # read1 returns what has come; read would wait for a full chunk, and a trickle would look like a stall.
        return bytes(response.read1(_CHUNK))
    except TimeoutError:
        raise _Failed(f"sent nothing for {_STALL:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Failed(f"broke off: {error}") from None


def _check(file: BinaryIO, check: Callable[[Path], None]) -> None:
    file.flush()
    try:
        check(Path(file.name))
    except PellucidError as error:
        raise _Failed(str(error).replace(f"{file.name}: ", "")) from None


@contextlib.contextmanager
def _progress(name: str, host: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """What shows how many bytes have come: a bar on a terminal, one line anywhere else."""
    if sys.stderr is None or not sys.stderr.isatty():
        if sys.stderr is not None:  # None: a window without a console; print would turn to stdout
            print(f"downloading {name} from {host}", file=sys.stderr)
        yield lambda received: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"{name} from {host}", total=size)
        yield lambda received: progress.update(task, completed=received)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc or url
    except ValueError:  # no address at all
        return url
