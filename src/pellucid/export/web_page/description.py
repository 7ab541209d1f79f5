"""What the page of a network asks for and what it shows: the kind of its input, and the names of its outputs, as plain JSON.

The kind decides which script begins the page:

- ``drawing``: a network of digits, which were images of bytes (28, 28, 1): a pad to draw on;
- ``pictures``: other images of bytes, grey or in colour: a place to drop files;
- ``maps``: the same, for a network that gives a class to each pixel;
- ``table``: the columns of a table: a form;
- ``series``: consecutive rows of a table: a text box with a row in each line;
- ``numbers``: anything else: a text box with the numbers of a sample.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from typing import Any

from pellucid.core.memory import Shape
from pellucid.data.drawings.rendering import SIDE
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT
from pellucid.data.input_stage import ImageScaling, Passthrough, Scaling
from pellucid.data.tables.columns import Column, TableStage
from pellucid.data.tables.robust_scaling import CONSTANT
from pellucid.data.text import Tokens
from pellucid.errors import ConfigError
from pellucid.export.trained_network import TrainedNetwork
from pellucid.layers import Embedding, Sigmoid, Softmax
from pellucid.losses import GaussianNLL, Loss, Quantile
from pellucid.networks import primitives, trailing_layers
from pellucid.networks.ports import OUTPUT

MAX_NUMBERS = 100_000  # in the text box of a sample, and outputs
# Of the classes of a map, as in plots/class_maps.py: Okabe and Ito's (2008), which any colour vision distinguishes. More
# classes have hues that are a golden angle apart.
MAP_COLORS = ("#DDDDDD", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000")
GOLDEN = 0.381966  # of a circle


def describe_input(trained: TrainedNetwork) -> dict[str, Any]:
    """Return the ``kind`` of the input and what its part of the page needs. Raises ConfigError for one that no page has."""
    if trained.ports.several:
        names = {"input": tuple(trained.inputs), "output": tuple(trained.outputs)}
        counts = " and ".join(f"{len(of)} {kind}{'s' * (len(of) > 1)} ({', '.join(of)})" for kind, of in names.items())
        raise ConfigError(
            f"export_html: the page is for networks with one input and one output; this one has {counts}. export_onnx and "
            "export_numpy write it"
        )
    shape, stage = trained.input_shape, trained.input_stage
    if isinstance(stage, TableStage):
        return _describe_table(shape, stage)
    if isinstance(stage, ImageScaling):
        maps = len(trained.output_shape) == 3
        return _describe_pictures(shape, stage, trained.classes, maps)
    if not isinstance(stage, (Passthrough, Scaling, Tokens)):
        raise ConfigError(f"export_html does not support the input stage {stage}")
    if math.prod(shape) > MAX_NUMBERS:
        raise ConfigError(
            f"export_html: a sample of this network is {math.prod(shape):,} real numbers, more than anybody types (the limit "
            f"is {MAX_NUMBERS:,}); a network that is trained on images of bytes gets a page to drop pictures on"
        )
    entries = [layer.entries for _, layer in primitives(trained.network) if isinstance(layer, Embedding)]
    return {"kind": "numbers", "shape": list(shape), "entries": min(entries) if entries else None}


def _describe_pictures(shape: Shape, stage: ImageScaling, classes: Sequence[str] | None, maps: bool) -> dict[str, Any]:
    if (
        not maps
        and shape == (SIDE, SIDE, 1)
        and stage.invert_light_background
        and tuple(classes or CLASSES)[:10] == CLASSES[:10]
    ):
        return {"kind": "drawing", "noDigit": NO_DIGIT}
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise ConfigError(
            f"export_html: the inputs of this network are bytes of the shape {shape}, and the page takes pictures (height, "
            "width, 1 or 3); export_onnx and export_numpy write this network"
        )
    h, w, c = shape
    return {
        "kind": "maps" if maps else "pictures",
        "height": h,
        "width": w,
        "channels": c,
        "invert": stage.invert_light_background,
    }


def _describe_table(shape: Shape, stage: TableStage) -> dict[str, Any]:
    fields, start = list[dict[str, Any]](), 0
    for column in stage.columns:
        stop = start + column.width
        fields += _fields(column, stage.middle[start:stop], stage.spread[start:stop])
        start = stop
    if stage.series is None:
        return {"kind": "table", "columns": fields, "missing": stage.fills_missing}
    return {"kind": "series", "rows": shape[0], "columns": fields, "missing": stage.missing}


def _fields(column: Column, middle: Sequence[float], spread: Sequence[float]) -> list[dict[str, Any]]:
    """Return the fields of the form for a column: one, or for a date one for each of its parts.

    Of a field, ``own`` is whether a missing value has a value of its own: an indicator, or one more category.
    """
    if column.categories is not None:
        most_frequent = 0 if column.coded else max(range(len(column.categories)), key=middle.__getitem__)
        field = {"name": column.name, "categories": list(column.categories), "start": column.categories[most_frequent]}
        return [field | {"coded": column.coded, "own": column.missing}]
    names, last = column.names[: len(column.parts) or 1], max(1, len(column.parts)) - 1
    return [
        {"name": name, "categories": None, "own": column.missing and i == last, **_start_value(middle[i], spread[i])}
        for i, name in enumerate(names)
    ]


def _start_value(mean: float, scale: float) -> dict[str, Any]:
    """Return the mean as a number with few digits, and the range that most values are in: two standard deviations."""
    scale = scale if scale < CONSTANT else max(1.0, abs(mean))  # a column that was always the same has no range
    exponent = math.floor(math.log10(scale)) - 1  # the mean is shown to about a tenth of the standard deviation
    digits = max(0, -exponent)
    step = 10.0**exponent

    def rounded(value: float) -> float | int:
        near = round(value / step) * step if exponent > 0 else round(value, digits)
        return int(near) if digits == 0 else near

    return {"start": rounded(mean), "low": rounded(mean - 2 * scale), "high": rounded(mean + 2 * scale), "digits": digits}


def describe_output(trained: TrainedNetwork, loss: Loss | None) -> dict[str, Any]:
    """Return the ``kind`` of the outputs, as ``pellucid predict`` prints them, and their names.

    - ``classes``: one answer of several; ``probabilities`` says whether the outputs are these, else they are scores. Of a
      ``single`` output p the classes are 1 − p and p, of a single score z they are −z and z.
    - ``maps``: for pictures, such a class at each of ``rows`` × ``columns`` positions, with a colour for each class.
    - ``labels``: independent answers, each with its probability.
    - ``numbers``: with the names of the numbers; for a series, those in each of the ``rows`` ahead.

    Raises ConfigError for outputs that no page shows.
    """
    *positions, k = trained.output_shape
    stage, classes = trained.input_stage, trained.classes_of(OUTPUT)
    last = trailing_layers(trained.network)[-1]
    probable = isinstance(last, (Softmax, Sigmoid))
    classifies = loss.classifies if loss is not None else classes is not None or isinstance(last, Softmax)
    if isinstance(stage, TableStage) and stage.series is not None and len(positions) == 1 and not classifies:
        return {"kind": "numbers", "names": list(stage.series.targets), "rows": positions[0]}
    multiple = loss is not None and loss.multi_label and k > 1
    if len(positions) == 2 and isinstance(stage, ImageScaling) and classifies and not multiple:
        names = list(classes or map(str, range(max(2, k))))
        described = {"names": names, "colors": _colors(len(names)), "probabilities": probable, "single": k == 1}
        return {"kind": "maps", "rows": positions[0], "columns": positions[1], **described}
    if positions:
        what = "a class" if classifies else "a number" if k == 1 else f"{k} numbers"
        raise ConfigError(
            f"export_html: this network predicts {what} at each of {tuple(positions)} positions, and the page shows one answer "
            "for each sample; export_onnx and export_numpy write this network"
        )
    if classifies or classes is not None:
        if multiple:
            return {"kind": "labels", "names": list(classes or map(str, range(k)))}
        names = list(classes or map(str, range(max(2, k))))
        return {"kind": "classes", "names": names, "probabilities": probable, "single": k == 1}
    return {"kind": "numbers", "names": _names_of_numbers(k, stage, loss), "rows": None}


def _colors(count: int) -> list[str]:
    """Return the colours of the classes of a map, as #rrggbb."""
    if count <= len(MAP_COLORS):
        return list(MAP_COLORS[:count])
    parts = [colorsys.hls_to_rgb(i * GOLDEN % 1, 0.35 + 0.15 * (i % 3), 0.65) for i in range(count)]
    return ["#" + "".join(f"{round(255 * part):02x}" for part in one) for one in parts]


def _names_of_numbers(k: int, stage: Any, loss: Loss | None) -> list[str]:
    """Return the names of the outputs of a regression."""
    target = stage.target if isinstance(stage, TableStage) else "output"
    named = [one.name for one in stage.targets] if isinstance(stage, TableStage) else []

    def of_targets(count: int) -> list[str]:
        if len(named) == count:
            return named
        return [target] if count == 1 else [f"{target} {i}" for i in range(1, count + 1)]

    if isinstance(loss, Quantile) and isinstance(loss.levels, tuple):
        return [f"{target}, {100 * level:g} % quantile" for level in loss.levels]
    if isinstance(loss, GaussianNLL):
        targets = of_targets(k // 2)
        return [*(f"{one}, mean" for one in targets), *(f"{one}, logarithm of the variance" for one in targets)]
    return of_targets(k)
