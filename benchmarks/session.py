"""A session is a contender in a process of its own, and the line to it: JSON, one request and one answer at a time."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from benchmarks.environment import child_environment

#: Lines of a broken contender's standard error that are kept.
LAST_LINES = 15


@dataclass(frozen=True)
class Contender:
    """A name in the tables, and the module that does the work (see ``jobs``). A baseline is shown, but not compared."""

    name: str
    module: str
    baseline: bool = False


class Missing(Exception):
    """A library that the contender needs is not installed; the argument is its name."""


class Crashed(Exception):
    """The contender's process ended, or never answered."""

    def __init__(self, reason: str, stderr: list[str]) -> None:
        super().__init__(reason)
        self.reason, self.stderr = reason, stderr


class Session:
    """A contender in a process of its own, and the line to it."""

    def __init__(self, contender: Contender, patience: float = 900.0) -> None:
        self.contender, self.patience = contender, patience
        self._stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", contender.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=child_environment(),
        )

    def start(self) -> None:
        """Wait until the contender has imported its library; Missing if it is not installed."""
        answer = self._read()
        if "missing" in answer:
            raise Missing(answer["missing"])

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """One request and its answer; Crashed if none comes."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
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

        timer = threading.Timer(self.patience, give_up)
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
        return Crashed(f"no answer in {self.patience:.0f} s" if late else f"its process ended with code {code}", lines)

    def close(self) -> None:
        """End the input, which ends the process; one that does not end is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # where it was gone before
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
