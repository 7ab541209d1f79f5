"""Findings on the values of inputs: their scales, constant and repeated columns, missing values and outliers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pellucid.core.memory import Array
from pellucid.doctor import data_kinds as kinds
from pellucid.doctor.finding import Finding
from pellucid.doctor.inputs import Input


def column_findings(one: Input) -> Iterator[Finding]:
    """Yield the findings on the training samples of an input."""
    yield from _not_finite(one)
    if one.kind == "images":
        yield from _image_findings(one)
        return
    values, samples = one.matrix("training")
    known = ~np.isnan(values).all(axis=0)
    if one.missing:
        yield from _missing(one, values)
    if not known.any():
        return
    stats = _Statistics(values)
    yield from _constant(one, stats)
    if not one.standardized:
        yield from _scales(one, values, stats)
    yield from _copies(one, values, stats)
    yield from _outliers(one, values, samples)


def listed(samples: Iterable[int]) -> tuple[int, ...]:
    """Return the first of the indices, as many as a finding lists."""
    return tuple(int(i) for i in itertools.islice(samples, kinds.LISTED_SAMPLES))


def names_of(names: Sequence[str]) -> str:
    """Return the first of the names, and how many more there are."""
    more = f" and {len(names) - kinds.LISTED:,} more" if len(names) > kinds.LISTED else ""
    return ", ".join(names[: kinds.LISTED]) + more


def times(figure: float) -> str:
    """Return a large number as text: 3.2, 47 or 1,115."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2g}"


def columns_place(one: Input, columns: Sequence[int]) -> str:
    """Return where a finding on these columns is."""
    names = list(dict.fromkeys(one.columns[i] for i in columns))
    return one.place(f"column{'s' * (len(names) > 1)} {names_of(names)}")


class _Statistics:
    """Figures of each column of values (m, d), in which missing values are NaN."""

    def __init__(self, values: Array):
        empty = np.isnan(values).all(axis=0)
        some = np.where(empty, 0.0, values)
        self.median, self.low, self.high = (
            np.where(empty, np.nan, figure(some, axis=0)) for figure in (np.nanmedian, np.nanmin, np.nanmax)
        )
        self.constant = ~(self.high > self.low)
        # The scale of a column is the root mean square distance to the median of the values that differ from it: that of rare
        # features is not small because they are rare.
        distance = np.abs(np.nan_to_num(values - self.median))
        varying = (distance > 0).sum(axis=0)
        self.scale = np.sqrt((distance**2).sum(axis=0) / np.maximum(varying, 1))
        self.varying = varying


def _not_finite(one: Input) -> Iterator[Finding]:
    """NaN and infinity, in all parts: fit refuses them later, one sample at a time."""
    for part, rows in one.parts.items():
        if rows.source.dtype.kind != "f":
            continue
        bad, start = list[int](), 0
        for x in rows.chunks():
            flat = x.reshape(len(x), -1)
            beyond = ~(np.abs(flat) <= one.limit)
            wrong = (beyond & ~np.isnan(flat) if one.missing else beyond).any(axis=1)
            bad += (start + np.flatnonzero(wrong)).tolist()
            start += len(x)
        if bad:
            text = f"{len(bad):,} of {start:,} samples contain NaN or infinity; the first is sample {bad[0]}."
            yield kinds.NAN_IN_DATA.finding(one.place(f"{part} set"), len(bad), text, samples=listed(bad))


def _image_findings(one: Input) -> Iterator[Finding]:
    low, high, blank, squares, size, start = None, None, list[int](), 0.0, 0, 0
    for x in one.train.chunks():
        flat = x.reshape(len(x), -1)
        chunk_low, chunk_high = flat.min(axis=0), flat.max(axis=0)
        low = chunk_low if low is None else np.minimum(low, chunk_low)
        high = chunk_high if high is None else np.maximum(high, chunk_high)
        blank += (start + np.flatnonzero(flat.min(axis=1) == flat.max(axis=1))).tolist()
        numbers = flat.astype(np.float32)
        squares += float(np.einsum("ij,ij->", numbers, numbers, dtype=np.float64))
        size, start = size + flat.size, start + len(x)
    assert low is not None
    assert high is not None
    constant = float(np.mean(low == high))
    if constant >= kinds.CONSTANT_INPUTS.threshold and start > 1:
        text = f"{100 * constant:.1f} % of the pixels have the same value in all {start:,} training samples."
        yield kinds.CONSTANT_INPUTS.finding(one.place("training set"), constant, text)
        return
    if len(blank) >= max(kinds.FEW, kinds.BLANK_SAMPLES.threshold * start):
        text = f"{len(blank):,} of {start:,} training images have one value at all pixels, such as sample {blank[0]}."
        yield kinds.BLANK_SAMPLES.finding(one.place("training set"), len(blank) / start, text, samples=listed(blank))
    yield from _magnitude(one, float(np.sqrt(squares / size)) * one.factor)


def _magnitude(one: Input, rms: float) -> Iterator[Finding]:
    scaled = ", divided by 255," if one.factor != 1 else ""
    text = f"the root mean square of the values{scaled} is {rms:.3g}; initial weights suit values around 1."
    if rms >= kinds.LARGE_INPUTS.threshold:
        yield kinds.LARGE_INPUTS.finding(one.place("training set"), rms, text)
    elif rms < kinds.TINY_INPUTS.threshold:
        yield kinds.TINY_INPUTS.finding(one.place("training set"), rms, text)


def _missing(one: Input, values: Array) -> Iterator[Finding]:
    shares = np.isnan(values).mean(axis=0)
    found = np.flatnonzero(shares >= kinds.MOSTLY_MISSING.threshold)
    if len(found):
        worst = found[(-shares[found]).argsort(kind="stable")]
        share = float(shares[worst[0]])
        text = f"{100 * share:.1f} % of the values of {one.columns[worst[0]]} are missing in the training set."
        yield kinds.MOSTLY_MISSING.finding(columns_place(one, worst.tolist()), share, text)


def _constant(one: Input, stats: _Statistics) -> Iterator[Finding]:
    """Constant columns, except those at the lower limit of most other columns: pixels or counts that never occur."""
    constant = np.flatnonzero(stats.constant)
    if len(constant) == len(one.columns):
        text = "all inputs have the same value in all training samples."
        yield kinds.CONSTANT_INPUTS.finding(one.place("training set"), 1.0, text)
        return
    lows = stats.low[~stats.constant]
    typical, count = max(zip(*np.unique(lows, return_counts=True), strict=True), key=lambda pair: pair[1])
    shared = count >= 2 and 2 * count >= len(lows)
    found = [i for i in constant if not np.isnan(stats.low[i]) and not (shared and stats.low[i] == typical)]
    if found:
        more = f", and {len(found) - 1:,} more columns are constant" if len(found) > 1 else ""
        text = f"{one.columns[found[0]]} is always {stats.low[found[0]]:g} in the training set{more}."
        yield kinds.CONSTANT_COLUMN.finding(columns_place(one, [int(i) for i in found]), len(found), text)


def _scales(one: Input, values: Array, stats: _Statistics) -> Iterator[Finding]:
    """Scales of columns that no input stage standardizes."""
    varying = np.flatnonzero(~stats.constant)
    if not len(varying):
        return
    scales = stats.scale[varying]
    small, large = varying[scales.argmin()], varying[scales.argmax()]
    ratio = float(stats.scale[large] / stats.scale[small])
    if ratio >= kinds.WILD_SCALES.threshold:
        text = f"{one.columns[large]} varies by {stats.scale[large]:.3g} and {one.columns[small]} by {stats.scale[small]:.3g}."
        yield kinds.WILD_SCALES.finding(columns_place(one, [int(large), int(small)]), ratio, text)
        return
    if one.train.source.dtype.kind != "f":
        return  # integers may be numbers of words, which an embedding reads
    offset = np.abs(stats.median[varying]) / scales
    if offset.max() >= kinds.OFFSET_INPUTS.threshold:
        worst = varying[offset >= kinds.OFFSET_INPUTS.threshold]
        i = varying[offset.argmax()]
        text = f"{one.columns[i]} varies by {stats.scale[i]:.3g} around {stats.median[i]:.6g}."
        yield kinds.OFFSET_INPUTS.finding(columns_place(one, worst.tolist()), float(offset.max()), text)
        return
    yield from _magnitude(one, float(np.sqrt(np.nanmean(values[:, varying] ** 2))))


def _copies(one: Input, values: Array, stats: _Statistics) -> Iterator[Finding]:
    """Columns that are another one, possibly in another unit."""
    enough = (stats.varying >= max(10, 0.02 * len(values))) & ~stats.constant
    columns = np.flatnonzero(enough)[: kinds.MAX_COLUMNS]
    if one.kind != "columns" or len(columns) < 2 or len(values) < 10:
        return
    rows = np.linspace(0, len(values) - 1, min(len(values), kinds.MAX_ROWS)).astype(np.int64)
    x = np.where(np.isnan(values[np.ix_(rows, columns)]), stats.median[columns], values[np.ix_(rows, columns)])
    x = (x - x.mean(axis=0)) / np.maximum(stats.scale[columns], 1e-300)
    x /= np.maximum(np.sqrt((x**2).sum(axis=0)), 1e-300)
    same = np.abs(x.T @ x) > kinds.SAME_COLUMN.threshold
    pairs = list[tuple[int, int, float]]()
    two_valued = np.array([len(np.unique(x[:, i])) == 2 for i in range(len(columns))])
    for a, b in np.argwhere(np.triu(same, 1)):
        product = float(x[:, a] @ x[:, b])
        if product < 0 and two_valued[a] and two_valued[b]:
            continue  # the two categories of a column of text, or yes and no
        if one.named and one.groups[columns[a]] == one.groups[columns[b]]:
            continue
        pairs.append((int(columns[a]), int(columns[b]), min(abs(product), 1.0)))
    if pairs:
        by_copy = {copy: (first, product) for first, copy, product in reversed(pairs)}  # each copy, and its first original
        listed_copies = [f"{one.columns[copy]} is {one.columns[first]}" for copy, (first, _) in by_copy.items()]
        product = max(product for _, product in by_copy.values())
        text = f"up to the unit, {names_of(listed_copies)} again (correlation {product:.6f})."
        yield kinds.SAME_COLUMN.finding(columns_place(one, sorted(by_copy)), product, text)


def _outliers(one: Input, values: Array, samples: Array) -> Iterator[Finding]:
    by_column = [(*outliers(values[:, i]), i) for i in range(len(one.columns))]
    found = sorted((entry for entry in by_column if len(entry[1])), key=lambda entry: -entry[0])
    if found:
        distance, rows, column = found[0]
        text = (
            f"{one.columns[column]} is {values[rows[0], column]:g} in sample {samples[rows[0]]}, {times(distance)} times the "
            "range of all ordinary values away from them."
        )
        clearest = list(dict.fromkeys(int(samples[row]) for _, rows, _ in found for row in rows))
        place = columns_place(one, [i for *_, i in found])
        yield kinds.OUTLIERS.finding(place, distance, text, samples=listed(clearest))


def outliers(values: Array, limit: float = kinds.OUTLIERS.threshold) -> tuple[float, Array]:
    """Return the distance of the clearest outlier, and the indices of all, the clearest first; 0 and none where there are none.

    The ordinary values are those without the largest and smallest 1 %, in sorted order, and every next value outwards whose
    distance to them is up to ``limit`` times their range. On a logarithmic scale (asinh of the distance to the median, in units
    of the quartiles), half the range is enough: so long tails are ordinary, as their gaps become shorter there. Where most
    values are equal, such as 0, the others are examined.
    """
    rows = np.flatnonzero(np.isfinite(values))
    middle = np.median(values[rows]) if len(rows) else 0.0
    if len(rows) and 2 * np.count_nonzero(values[rows] == middle) > len(rows):
        rows = rows[values[rows] != middle]
    n = len(rows)
    if n < kinds.OUTLIER_MIN_VALUES:
        return 0.0, rows[:0]
    trim = max(1, int(kinds.OUTLIER_SHARE * n))
    first, last = trim, n - 1 - trim
    parted = np.partition(values[rows], (first, last))
    low, high = parted[first], parted[last]
    reach = limit * (high - low)
    if not high > low or max(parted.max() - high, low - parted.min()) <= reach:  # the usual case, without sorting
        return 0.0, rows[:0]
    order = rows[np.argsort(values[rows])]
    ordered = values[order]
    quartiles = ordered[(3 * n) // 4] - ordered[n // 4]
    unit = quartiles / 2 if quartiles > 0 else (ordered[last] - ordered[first]) / 4
    logarithmic = np.arcsinh((ordered - ordered[n // 2]) / unit)

    def within(scale: Array, at: int, ratio: float) -> bool:
        gap = scale[at] - scale[last] if at > last else scale[first] - scale[at]
        return bool(gap <= ratio * (scale[last] - scale[first]))

    def is_next(at: int) -> bool:
        return within(ordered, at, limit) or within(logarithmic, at, kinds.OUTLIER_LOG_GAP)

    while last + 1 < n and is_next(last + 1):
        last += 1
    while first > 0 and is_next(first - 1):
        first -= 1
    far = np.concatenate([order[:first], order[last + 1 :]])
    if not len(far):
        return 0.0, far
    low, high = ordered[first], ordered[last]
    distance = np.maximum(low - values[far], values[far] - high) / (high - low)
    by_distance = np.argsort(-distance, kind="stable")
    return float(distance.max()), far[by_distance]
