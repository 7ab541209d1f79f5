"""Findings on identical samples: within the training set, with other targets, and in other parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pellucid.core.memory import Array
from pellucid.doctor import data_kinds as kinds
from pellucid.doctor.columns import listed
from pellucid.doctor.finding import Finding
from pellucid.doctor.inputs import Input, Target, fingerprints

CONTRADICTION = 0.5  # standard deviations of the target between identical samples: measurements repeat less exactly than inputs


def sample_findings(inputs: Sequence[Input], targets: Sequence[Target]) -> Iterator[Finding]:
    """Yield the findings on identical samples. Windows of a series are left out: a periodic series repeats itself."""
    if any(one.series for one in inputs):
        return
    marks = {part: fingerprints(list(inputs), part) for part in inputs[0].parts}
    chance = _chance(inputs)
    yield from _within(marks["training"], chance, targets)
    yield from _between(marks, chance)


def _chance(inputs: Sequence[Input]) -> float:
    """Return the probability that two samples are identical by chance, if the columns are independent.

    It is 0 for images and sequences.
    """
    probability = 1.0
    for one in inputs:
        if one.kind != "columns":
            return 0.0
        values, _ = one.matrix("training", kinds.MAX_ROWS)
        n = len(values)
        groups = np.asarray(one.groups)
        for group in np.unique(groups)[: kinds.MAX_COLUMNS]:
            block = np.ascontiguousarray(np.nan_to_num(values[:, groups == group]))
            _, counts = np.unique(block if block.shape[1] > 1 else block[:, 0], axis=0, return_counts=True)
            probability *= float((counts * (counts - 1)).sum() / max(n * (n - 1), 1))
            if probability < 1e-15:
                return probability
    return probability


def _within(marks: Array, chance: float, targets: Sequence[Target]) -> Iterator[Finding]:
    """Identical training samples: those with different targets, and repetitions."""
    n = len(marks)
    _, first, group = np.unique(marks, return_index=True, return_inverse=True)
    if len(first) == n:
        return
    original = first[group]  # the first of the samples that are identical to each sample
    expected = kinds.BY_CHANCE * chance * n * (n - 1) / 2
    repeats = n - len(first)
    for target in targets:
        if target.maps is not None:
            continue
        contradicting = _contradicting(original, target)
        if len(contradicting) > max(kinds.CONTRADICTING_LABELS.threshold, 2 * expected):
            a, b = contradicting[:2]
            text = (
                f"{len(contradicting):,} of {n:,} training samples are identical to another one with a different target; "
                f"samples {a} and {b} have {_shown(target, a)} and {_shown(target, b)}."
            )
            place = target.place("training set")
            yield kinds.CONTRADICTING_LABELS.finding(place, len(contradicting), text, samples=listed(contradicting))
    if repeats >= max(kinds.FEW, kinds.REPEATED_SAMPLES.threshold * n) and repeats > expected:
        again = np.setdiff1d(np.arange(n), first)
        twins = f"sample {again[0]} is sample {original[again[0]]} again"
        text = f"{repeats:,} of {n:,} training samples repeat an earlier one: {twins}."
        yield kinds.REPEATED_SAMPLES.finding("training set", repeats / n, text, samples=listed(again))


def _shown(target: Target, sample: int) -> str:
    """Return the target of a training sample as text."""
    if target.labels is not None:
        return target.class_name(int(target.labels["training"][sample]))
    assert target.values is not None
    return ", ".join(f"{value:g}" for value in target.values["training"][sample][:3])


def _contradicting(original: Array, target: Target) -> Array:
    """Return the samples that are identical to one with another target, group by group; the first two differ."""
    if target.labels is not None:
        y, tolerance = target.labels["training"][:, None].astype(np.float64), np.zeros(1)
    else:
        assert target.values is not None
        y = np.nan_to_num(target.values["training"])
        tolerance = CONTRADICTION * y.std(axis=0)
    order = np.argsort(original, kind="stable")
    starts = np.flatnonzero(np.diff(original[order], prepend=-1))
    spread = np.maximum.reduceat(y[order], starts) - np.minimum.reduceat(y[order], starts)
    wrong: Array = np.any(spread > tolerance, axis=1)
    chosen = order[np.repeat(wrong, np.diff([*starts, len(order)]))]
    if not len(chosen):
        return chosen
    same = chosen[original[chosen] == original[chosen[0]]]
    i = int(np.argmax(spread[wrong][0] > tolerance))
    pair = [int(same[y[same, i].argmin()]), int(same[y[same, i].argmax()])]
    return np.array(list(dict.fromkeys([*sorted(pair), *chosen.tolist()])))


def _between(marks: Mapping[str, Array], chance: float) -> Iterator[Finding]:
    """Samples of a part that are in the training set as well."""
    train = marks["training"]
    ordered = np.sort(train)
    for part, own in marks.items():
        if part == "training":
            continue
        place = np.minimum(np.searchsorted(ordered, own), len(ordered) - 1)
        shared = np.flatnonzero(ordered[place] == own)
        expected = kinds.BY_CHANCE * chance * len(train) * len(own)
        if len(shared) >= max(kinds.FEW, kinds.SHARED_SAMPLES.threshold * len(own)) and len(shared) > expected:
            twin = int(np.flatnonzero(train == own[shared[0]])[0])
            text = (
                f"{len(shared):,} of {len(own):,} samples are in the training set as well: sample {shared[0]} is training "
                f"sample {twin}."
            )
            yield kinds.SHARED_SAMPLES.finding(f"{part} set", len(shared) / len(own), text, samples=listed(shared))
