"""Changes of the learning rate at certain steps of a training, as text: ``480:0.01,960:preset``.

After step 480 the learning rate is 0.01, after step 960 that of the optimizer or its schedule again. The changes that a user
makes by hand during a run are recorded in this form, so that the run can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from pellucid.errors import ConfigError

PRESET = "preset"  # instead of a learning rate: that of the optimizer
MAX_CHANGES = 100_000


def parse_rate_changes(text: str) -> dict[int, float | None]:
    """Return the learning rate after each of the steps; None is that of the optimizer. Raises ConfigError."""
    changes: dict[int, float | None] = {}
    for part in text.split(",")[: MAX_CHANGES + 1]:
        step, colon, rate = part.strip().partition(":")
        try:
            value = None if rate == PRESET else float(rate)
            if not colon or not step.isascii() or not step.isdigit() or int(step) < 1 or len(changes) >= MAX_CHANGES:
                raise ValueError
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError
        except ValueError:
            raise ConfigError(
                f"--lr-changes {part.strip()[:40]!r}: changes of the learning rate are steps with the rate after them, as in "
                f"480:0.01,960:{PRESET}"
            ) from None
        changes[int(step)] = value
    return changes


def format_rate_changes(changes: Iterable[Mapping[str, float | None]]) -> str | None:
    """Return the text for records of changes, with ``after_step`` and ``learning_rate``; None if there are none."""
    by_step = {int(one["after_step"] or 0): one["learning_rate"] for one in changes}
    return ",".join(f"{step}:{PRESET if rate is None else repr(float(rate))}" for step, rate in by_step.items()) or None
