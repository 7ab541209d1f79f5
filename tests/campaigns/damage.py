"""Damaged checkpoints: each must be noticed, and the training must go on from the one before, to the same bits.

``python -m tests.campaigns --damaged 1000`` runs this, too.
"""

from __future__ import annotations

import collections
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pellucid import Checkpoint
from pellucid.training.checkpoint import checkpoint_files
from pellucid.training.resuming import newest
from tests.campaigns.child import outcome
from tests.campaigns.trainings import TRAININGS

FAST = ("dense", "table", "policies", "averages", "accumulated", "streamed", "perturbed", "lbfgs")
SECTOR = 512  # bytes that a disk writes at once


def flipped(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return the content with one bit flipped."""
    return _flipped(content, chance.randrange(8 * len(content)))


def flipped_in_head(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return the content with one bit of its length and header flipped."""
    return _flipped(content, chance.randrange(8 * (8 + int.from_bytes(content[:8], "little"))))


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def truncated(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return the beginning of the content, perhaps none of it."""
    return content[: chance.choice([0, chance.randrange(len(content)), len(content) - 1])]


def without_end(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return the content with zeros from a sector on: the length is on disk, and the data are not."""
    start = SECTOR * chance.randrange(-(-len(content) // SECTOR))
    return content[:start] + bytes(len(content) - start)


def lost_sector(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return the content with zeros in one sector."""
    start = SECTOR * chance.randrange(-(-len(content) // SECTOR))
    return content[:start] + bytes(len(content[start : start + SECTOR])) + content[start + SECTOR :]


def mixed(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return the beginning of one checkpoint and the end of another: some sectors of the new one are not on disk."""
    start = SECTOR * chance.randrange(1, -(-len(content) // SECTOR))
    return content[:start] + other[start : len(content)]


def exchanged(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return the content with two sectors in the place of each other."""
    a, b = sorted(chance.sample(range(len(content) // SECTOR), 2))
    pieces = [content[i : i + SECTOR] for i in range(0, len(content), SECTOR)]
    pieces[a], pieces[b] = pieces[b], pieces[a]
    return b"".join(pieces)


def extended(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return the content with more bytes after it."""
    return content + chance.randbytes(chance.randrange(1, 2000))


def replaced(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return random bytes of the same length."""
    return chance.randbytes(len(content))


Damage = Callable[[bytes, bytes, random.Random], bytes]
DAMAGES: dict[Damage, int] = {
    flipped: 30,
    flipped_in_head: 15,
    truncated: 20,
    without_end: 8,
    lost_sector: 8,
    mixed: 6,
    exchanged: 5,
    extended: 4,
    replaced: 4,
}


class Checkpoints:
    """All checkpoints of one training, and the outcome to which each of them leads."""

    def __init__(self, name: str, folder: Path):
        self.name = name
        every = Checkpoint(folder, every_steps=1, keep=10_000, cost=1.0)
        self.expected, _ = self.outcome(every, None)
        self.files = [path.read_bytes() for path in reversed(checkpoint_files(folder))]
        self.names = [path.name for path in reversed(checkpoint_files(folder))]

    def outcome(self, policy: Checkpoint, resume: Path | None) -> tuple[tuple[bytes, str], list[str]]:
        """Train, and return the outcome and the problems."""
        training = TRAININGS[self.name]
        model, data = training.model(), training.data()
        x, y = data.pop("x"), data.pop("y", None)
        for _ in model.fit_events(x, y, training.options_with([policy], resume), **data):
            pass
        return outcome(model), model.history.problems


def damaged(cases: int, seed: int, folder: Path, names: Sequence[str] = FAST, show: Any = None) -> collections.Counter[str]:
    """Damage the newest checkpoints of trainings in ``cases`` ways, and resume. Returns how often each kind of damage was.

    Raises AssertionError where damage is not noticed, another file than the one before is taken, or the bits are others.
    """
    saved = {name: Checkpoints(name, folder / f"all-{name}") for name in names}
    count: collections.Counter[str] = collections.Counter()
    for number in range(cases):
        chance = random.Random(f"{seed} damage {number}")
        one = saved[chance.choice(list(names))]
        bad = chance.choice([1, 1, 1, 2])  # damaged files
        good = chance.randrange(len(one.files) - bad)
        case = folder / f"{number:04d}-{one.name}"
        case.mkdir()
        (case / one.names[good]).write_bytes(one.files[good])
        kinds = []
        for i in range(good + 1, good + 1 + bad):
            damage = chance.choices(list(DAMAGES), list(DAMAGES.values()))[0]
            content = one.files[i]
            while content == one.files[i]:  # a sector may have been zero before
                content = damage(one.files[i], one.files[good], chance)
            (case / one.names[i]).write_bytes(content)
            kinds.append(damage.__name__.replace("_", " "))
        found = newest(case)
        assert found is not None
        assert found.path.name == one.names[good], f"{case}: {kinds} not noticed"
        assert len(found.problems) == bad, f"{case}: {found.problems}"
        result, problems = one.outcome(Checkpoint(case, every_epochs=1, cost=1.0), case)
        assert result == one.expected, f"{case}: other bits after {kinds}"
        assert problems == list(found.problems), f"{case}: {problems}"
        count[" and ".join(kinds) if bad == 1 else "two damaged files"] += 1
        shutil.rmtree(case)
        if show is not None and (number + 1) % 50 == 0:
            show(f"{number + 1} of {cases} damaged checkpoints noticed, the one before taken, same bits")
    return count
