"""A finding: one symptom with its place, its figure and what to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """A symptom in data, in a network or in a training.

    - ``kind`` is the name of the symptom, such as ``dead-relu``; the documentation lists all kinds with their thresholds.
    - ``where`` is the layer, column, class, sample or score that has it, such as ``relu1``.
    - ``figure`` is the number that was measured, and ``threshold`` the one that it is compared with.
    - ``text`` says in one sentence what was measured, ``advice`` what to try.
    - ``since`` is the epoch in which it began, counted from 1; None for data, and where there is no history.
    - ``samples`` are the indices of the samples that show it, the clearest first.
    """

    kind: str
    where: str
    figure: float
    threshold: float
    text: str
    advice: str
    since: int | None = None
    samples: tuple[int, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the finding as plain JSON."""
        return {**vars(self), "samples": list(self.samples)}

    def __str__(self) -> str:
        since = "" if self.since is None else f" since epoch {self.since}"
        return f"{self.kind}, {self.where}{since}: {self.text} {self.advice}"
