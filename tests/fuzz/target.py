"""What a target of fuzzing is: how its inputs are made, what reads them, and how much memory they may take."""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from random import Random
from typing import ClassVar

MEGABYTE = 1 << 20


class Target(ABC):
    """One kind of input. An input is bytes, which the target makes from a random generator and then reads.

    ``folder`` is an empty folder that the target writes to. ``share`` is the part of the inputs of a campaign that this target
    gets. ``allowance`` is the memory in bytes that an input may take in addition to ten times its size: the objects that
    even the smallest valid input needs, and buffers of a fixed size. Each target says what it is for.
    """

    name: ClassVar[str]
    share: ClassVar[float]
    allowance: ClassVar[int]

    def __init__(self, folder: Path):
        self.folder = folder
        self.prepare()

    def prepare(self) -> None:
        """Write files that all inputs use, and read the valid inputs that others are made from."""
        return None

    @abstractmethod
    def make(self, random: Random) -> bytes:
        """Return a new input."""

    @abstractmethod
    def read(self, data: bytes) -> None:
        """Give the input to the library. Errors of the library are expected and need not be caught."""

    def size(self, data: bytes) -> int:
        """Return the number of bytes that ten times as much memory is allowed for: of compressed data, those unpacked."""
        return len(data)

    def input(self, seed: int, number: int) -> bytes:
        """Return the input with this number in the campaign with this seed."""
        return self.make(Random(f"{self.name} {seed} {number}"))

    def write(self, name: str, data: bytes) -> Path:
        """Write a file into the folder of the target and return its path."""
        path = self.folder / name
        path.write_bytes(data)
        return path


def scratch_folder(name: str) -> Path:
    """Return a new folder, in memory where the system has such a file system, since every input is written to a file."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix=f"pellucid-fuzz-{name}-", dir=parent))
