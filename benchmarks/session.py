"""Sessions: contenders in processes of their own, which answer JSON requests, one at a time."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.environment import child_environment

#: Lines of standard error that are kept when a contender crashes.
LAST_LINES = 15


@dataclass(frozen=True)
class Contender:
    """A contender: its name in the tables, and the module that does the work (see ``jobs``).

    A baseline is shown, but not compared. ``source`` is a folder whose packages come before those that are installed.
    """

    name: str
    module: str
    baseline: bool = False
    source: Path | None = None


class NotInstalled(Exception):
    """Raised if a library that the contender needs is not installed; the argument is its name."""


class Crashed(Exception):
    """Raised if the process of the contender ended or did not answer in time."""

    def __init__(self, reason: str, stderr: list[str]) -> None:
        super().__init__(reason)
        self.reason, self.stderr = reason, stderr


class Session:
    """The process of a contender, and the requests to it."""

    def __init__(self, contender: Contender, timeout: float = 900.0) -> None:
        self.contender, self.timeout = contender, timeout
        self._stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", contender.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=child_environment(contender.source),
        )

    def start(self) -> None:
        """Wait until the contender has imported its library. Raise NotInstalled if it is not installed."""
        answer = self._read()
        if "missing" in answer:
            raise NotInstalled(answer["missing"])

    def request(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and return the answer. Raises Crashed if there is none."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._crash() from None
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(self.timeout, give_up)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise self._crash(late.is_set())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _crash(self, late: bool = False) -> Crashed:
        code = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().splitlines()[-LAST_LINES:]
        return Crashed(f"no answer in {self.timeout:.0f} s" if late else f"its process ended with code {code}", lines)

    def close(self) -> None:
        """Close the input, which ends the process; kill it if it does not end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # if the process has ended already
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._stderr.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
