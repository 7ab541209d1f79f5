"""The download of a file from the first of several mirrors that responds; it is kept only if it passes a check.

A missing network must be noticed within seconds, but the lookup of a host name can block for minutes and cannot be interrupted.
So each mirror is requested in its own daemon thread, and no thread is joined. The first response is used; if there is none by
the deadline, the download fails. The data is written to a temporary file, which is checked and then moved to its place.
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

from pellucid.core.files import open_atomic
from pellucid.errors import DataError, FileError, PellucidError

_RESPONSE_TIMEOUT = 4.5  # seconds to the first response of any mirror: in total, a missing network is noticed within 5
_STALL_TIMEOUT = 15.0  # seconds without data, after which a mirror is abandoned
_MAX_SIZE = 200 << 20  # bytes; the largest file of the data sets has 26 million
_CHUNK = 1 << 18


class _MirrorError(Exception):
    """The reason why a mirror was abandoned."""


def fetch(urls: Sequence[str], target: str | os.PathLike[str], check: Callable[[Path], None]) -> str:
    """Download one of ``urls`` to ``target`` and return the one that was used.

    ``check(path)`` examines the complete file under its temporary name, and raises a PellucidError if it is not the right one.
    If it does, or if a mirror fails, stalls or sends too much, the other mirrors are tried. An existing file at ``target`` is
    only replaced by a file that has passed the check.

    Raises DataError if no mirror delivers the file (within 5 seconds if none responds), and FileError if ``target`` cannot be
    written.
    """
    target, problems = Path(target), dict[str, str]()
    while first := _first_response([url for url in urls if url not in problems], problems):
        url, response = first
        try:
            with contextlib.closing(response):
                _save(response, url, target, check)
            return url
        except _MirrorError as error:
            problems[url] = str(error)
    tried = "; ".join(f"{_host(url)}: {problems.get(url, f'no response within {_RESPONSE_TIMEOUT:g} s')}" for url in urls)
    raise DataError(
        f"{target.name} could not be downloaded. Tried {tried}. Is there a network? Without one, name a folder "
        "that contains the files: data_dir=… or PELLUCID_DATA"
    )


def _first_response(urls: Sequence[str], problems: dict[str, str]) -> tuple[str, Any] | None:
    """Return (url, response) of the mirror that responds first, or None. Refusals before that are added to ``problems``."""
    responses: queue.Queue[tuple[str, Any]] = queue.Queue()
    lock, done = threading.Lock(), threading.Event()

    def request(url: str) -> None:
        response = _request(url)
        with lock:
            if not done.is_set():
                responses.put((url, response))
            elif not isinstance(response, str):
                response.close()

    for url in urls:
        threading.Thread(target=request, args=(url,), name=f"mirror {_host(url)}", daemon=True).start()
    deadline = time.monotonic() + _RESPONSE_TIMEOUT
    try:
        for _ in urls:
            url, response = responses.get(timeout=max(0.0, deadline - time.monotonic()))
            if not isinstance(response, str):
                return url, response
            problems[url] = response
    except queue.Empty:
        pass
    finally:
        with lock:
            done.set()
            while not responses.empty():
                late = responses.get_nowait()[1]
                if not isinstance(late, str):
                    late.close()
    return None


def _request(url: str) -> Any:
    """Return the response to a request for ``url``, or the reason for its failure as a string."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "pellucid", "Accept-Encoding": "identity"})
        return urllib.request.urlopen(request, timeout=_STALL_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__


def _save(response: Any, url: str, target: Path, check: Callable[[Path], None]) -> None:
    """Write the response to a temporary file, check it and move it to ``target``.

    Raises _MirrorError if the mirror is at fault.
    """
    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdecimal() else None
    if expected is not None and expected > _MAX_SIZE:
        raise _MirrorError(f"offers {expected:,} bytes, more than the limit of {_MAX_SIZE:,}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{target.parent}: the folder cannot be created: {error.strerror or error}") from None
    with open_atomic(target) as file:
        received = 0
        with _progress(target.name, _host(url), expected) as show:
            while chunk := _chunk(response):
                received += len(chunk)
                if received > _MAX_SIZE:
                    raise _MirrorError(f"sends more than the limit of {_MAX_SIZE:,} bytes")
                file.write(chunk)
                show(received)
        if expected is not None and received < expected:
            raise _MirrorError(f"stopped after {received:,} of {expected:,} bytes")
        _check(file, check)


def _chunk(response: Any) -> bytes:
    try:
        # read1 returns the data that has arrived; read would wait for a full chunk, so that a slow mirror would look stalled.
        return bytes(response.read1(_CHUNK))
    except TimeoutError:
        raise _MirrorError(f"sent no data for {_STALL_TIMEOUT:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _MirrorError(f"connection lost: {error}") from None


def _check(file: BinaryIO, check: Callable[[Path], None]) -> None:
    file.flush()
    try:
        check(Path(file.name))
    except PellucidError as error:
        raise _MirrorError(str(error).replace(f"{file.name}: ", "")) from None


@contextlib.contextmanager
def _progress(name: str, host: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function that displays the number of received bytes: as a bar on a terminal, elsewhere in a single line."""
    if sys.stderr is None or not sys.stderr.isatty():
        if sys.stderr is not None:  # None in a program without a console; print would use stdout
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
    except ValueError:  # not a URL
        return url
