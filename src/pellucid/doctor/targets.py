"""Findings on targets: missing, rare and unequal classes, constant values, outliers, and columns that give the target away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pellucid.core.memory import Array
from pellucid.doctor import data_kinds as kinds
from pellucid.doctor.columns import columns_place, listed, names_of, outliers, times
from pellucid.doctor.finding import Finding
from pellucid.doctor.inputs import Input, Target


def target_findings(target: Target, inputs: Sequence[Input]) -> Iterator[Finding]:
    """Yield the findings on a target."""
    if target.maps is not None:
        yield from _missing_in_maps(target)
    if target.labels is not None:
        yield from _missing_classes(target)
        yield from _class_sizes(target)
    if target.values is not None:
        yield from _numbers(target)
    if target.maps is None:
        for one in inputs:
            yield from _leaks(target, one)


def _missing_in_maps(target: Target) -> Iterator[Finding]:
    assert target.maps is not None
    assert target.classes is not None
    found = {int(label) for label in np.unique(target.maps["training"])}
    missing = [label for label in range(len(target.classes)) if label not in found]
    if missing:
        yield _missing(target, "training", missing, "no position has the class in the training set.")


def _missing(target: Target, part: str, labels: Sequence[int], text: str) -> Finding:
    names = [target.class_name(label) for label in labels]
    place = target.place(f"class{'es' * (len(names) > 1)} {names_of(names)}")
    return kinds.MISSING_CLASS.finding(f"{place}, {part} set", len(names), text)


def _missing_classes(target: Target) -> Iterator[Finding]:
    """Classes without a sample in a part where samples are expected."""
    assert target.labels is not None
    everything = np.concatenate(list(target.labels.values()))
    k = max(int(everything.max()) + 1, len(target.classes or ()))
    if everything.min() < 0:
        return
    counts = {part: np.bincount(labels, minlength=k) for part, labels in target.labels.items()}
    known = np.ones(k, bool) if target.classes is not None else sum(counts.values()) > 0
    train = counts["training"]
    missing = np.flatnonzero((train == 0) & known)
    if len(missing):
        elsewhere = sum(int(own[missing].sum()) for part, own in counts.items() if part != "training")
        other = f", and {elsewhere:,} in the other parts" if elsewhere else ""
        yield _missing(target, "training", missing.tolist(), f"there is no training sample of it{other}.")
    if np.count_nonzero(train) == 1:
        text = f"all training samples have the class {target.class_name(int(train.argmax()))}."
        yield kinds.CONSTANT_TARGET.finding(target.place("training set"), 1, text)
    for part, own in counts.items():
        expected = train / len(target.labels["training"]) * len(target.labels[part])
        missing = np.flatnonzero((own == 0) & (expected >= kinds.EXPECTED_IN_PART))
        if part != "training" and len(missing):
            why = f"there is no sample of it, where {expected[missing[0]]:.0f} are expected from the training set."
            yield _missing(target, part, missing.tolist(), why)


def _class_sizes(target: Target) -> Iterator[Finding]:
    assert target.labels is not None
    found, counts = np.unique(target.labels["training"], return_counts=True)
    if len(found) < 2:
        return
    few = np.flatnonzero(counts < kinds.FEW_SAMPLES.threshold)
    if len(few):
        few = few[counts[few].argsort(kind="stable")]
        names = [target.class_name(int(found[i])) for i in few]
        count = int(counts[few[0]])
        place = target.place(f"class{'es' * (len(few) > 1)} {names_of(names)}")
        yield kinds.FEW_SAMPLES.finding(place, count, f"{names[0]} has {count} training sample{'s' * (count != 1)}.")
        counts, found = np.delete(counts, few), np.delete(found, few)
        if len(found) < 2:
            return
    ratio = float(counts.max() / counts.min())
    if ratio >= kinds.UNEQUAL_CLASSES.threshold:
        small, large = found[counts.argmin()], found[counts.argmax()]
        text = f"it has {counts.min():,} training samples, and {target.class_name(int(large))} has {counts.max():,}."
        yield kinds.UNEQUAL_CLASSES.finding(target.place(f"class {target.class_name(int(small))}"), ratio, text)


def _numbers(target: Target) -> Iterator[Finding]:
    assert target.values is not None
    for part, y in target.values.items():
        bad = np.flatnonzero(~np.isfinite(y).all(axis=1))
        if len(bad):
            text = f"{len(bad):,} of {len(y):,} targets are NaN or infinite; the first is that of sample {bad[0]}."
            yield kinds.NAN_IN_DATA.finding(target.place(f"targets of the {part} set"), len(bad), text, samples=listed(bad))
    y = target.values["training"]
    if len(y) < 2:
        return
    for i in range(y.shape[1]):
        name = "target" if y.shape[1] == 1 else f"target {i}"
        known = y[np.isfinite(y[:, i]), i]
        if len(known) and not known.max() > known.min():
            yield kinds.CONSTANT_TARGET.finding(target.place(name), 1, f"it is {known[0]:g} in all training samples.")
            continue
        distance, rows = outliers(y[:, i], kinds.TARGET_OUTLIERS.threshold)
        if len(rows):
            text = (
                f"it is {y[rows[0], i]:g} in sample {rows[0]}, {times(distance)} times the range of all ordinary targets away "
                "from them."
            )
            yield kinds.TARGET_OUTLIERS.finding(target.place(name), distance, text, samples=listed(rows))


def _leaks(target: Target, one: Input) -> Iterator[Finding]:
    """Columns that alone predict the target.

    The target of each second sample is predicted by that of the sample whose value of the column is nearest, among the others.
    The error is relative to that of a constant prediction. No column has leaked where another one, or another two, are good as
    well: then the problem is easy.
    """
    n = len(one.train)
    groups = np.asarray(one.groups)
    count = len(set(one.groups))
    if (
        one.kind != "columns"
        or one.series
        or n < kinds.LEAK_MIN_ROWS
        or not kinds.LEAK_MIN_COLUMNS <= count <= kinds.MAX_COLUMNS
    ):
        return
    values, samples = one.matrix("training", kinds.MAX_ROWS)
    values = np.nan_to_num(values)
    if target.labels is not None:
        y: Array = target.labels["training"][samples]
        constant_error = 1 - np.bincount(y - y.min()).max() / len(y)
    else:
        assert target.values is not None
        y = target.values["training"][samples]
        if y.shape[1] > 1 or not np.isfinite(y).all():
            return
        y = np.unique(y[:, 0], return_inverse=True)[1].astype(np.float64)  # ranks, of which one extreme target is not all
        constant_error = float(y.var())
    if constant_error <= 0:
        return
    errors = np.empty(count)
    random = np.random.default_rng(0).permutation(len(y))
    known, asked = random[: len(y) // 2], random[len(y) // 2 :]
    for group in range(count):
        block = values[:, groups == group]
        column = block[:, 0] if block.shape[1] == 1 else block.argmax(axis=1)
        predicted = _nearest(column[known], y[known], column[asked])
        if target.labels is not None:
            error = float((predicted != y[asked]).mean())
        else:
            squares = np.sort((predicted - y[asked]) ** 2)
            error = float(squares[: int(0.99 * len(squares))].mean())  # one wrong target hides no leak
        errors[group] = error / constant_error
    leaks = np.flatnonzero(errors <= kinds.LEAKED_TARGET.threshold)
    others = np.delete(errors, leaks)
    if len(leaks) and len(others) and others.min() > kinds.EASY_ERROR:
        worst = leaks[errors[leaks].argsort(kind="stable")]
        columns = [int(np.flatnonzero(groups == group)[0]) for group in worst]
        name = one.columns[columns[0]]
        text = (
            f"{name} alone explains {100 * (1 - errors[worst[0]]):.2f} % of what a constant prediction leaves, the next best "
            f"column {100 * max(0.0, 1 - others.min()):.0f} %."
        )
        yield kinds.LEAKED_TARGET.finding(columns_place(one, columns), errors[worst[0]], text)


def _nearest(known: Array, y: Array, asked: Array) -> Array:
    """Return the ``y`` of the known value that is nearest to each value asked for."""
    order = np.argsort(known, kind="stable")
    ordered = known[order]
    right = np.minimum(np.searchsorted(ordered, asked), len(ordered) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(ordered[right] - asked) <= np.abs(ordered[left] - asked), right, left)
    result: Array = y[order][nearest]
    return result
