"""The Python program that trains the same network as the playground, bit for bit."""

from __future__ import annotations

import dataclasses
import itertools
import re
import textwrap
from typing import Any

import pellucid
from pellucid.app.tabs.playground_settings import COORDINATES, USER_DATA, PlaygroundSettings, WeightEdit
from pellucid.core.config import Config
from pellucid.initializers import Initializer
from pellucid.optim import Chain

LINE_LENGTH = 88
DEFAULT_EPOCHS = 100  # of a program for an untrained network


def program(settings: PlaygroundSettings, steps: int) -> str:
    """Return a program whose ``model`` has the parameters after ``steps`` steps. With 0 steps, it trains for DEFAULT_EPOCHS."""
    train, _ = settings.datasets()
    batch_size = settings.batch_size or len(train)
    body = "\n".join(
        [
            *_data_lines(settings),
            "",
            "network = Sequential(",
            *(f"    {', '.join(source(layer) for layer in layers)}," for layers in settings.layers()),
            ")",
            "model = network.compile(",
            f"    input_shape=({len(settings.features)},), loss={type(settings.loss).__name__}(), "
            f"optimizer={source(settings.optimizer_chain())},",
            f"    metrics=[{type(settings.metric).__name__}()], seed={settings.seed},",
            ")",
            *(_assignment(edit) for edit in settings.edits if edit.step == 0),
            *_training_lines(settings, steps, -(-len(train) // batch_size)),
            'print("training", model.evaluate(train))',
            'print("validation", model.evaluate(validation))',
            "",
        ]
    )
    return "\n".join([*_import_lines(settings, body), "", body])


def _import_lines(settings: PlaygroundSettings, body: str) -> list[str]:
    exports: list[str] = vars(pellucid)["__all__"]  # which the stub file does not declare
    names = [name for name in sorted(exports) if re.search(rf"\b{name}\b", body)]
    planar = [name for name in (settings.data, "with_features") if re.search(rf"\b{name}\(", body)]
    generators = [f"from pellucid.data.planar import {', '.join(planar)}"] if planar else []
    if settings.data == USER_DATA:
        return ["import numpy as np", "", *_library_import(names), "from pellucid.data import Dataset", *generators]
    return [*_library_import(names), *generators]


def _library_import(names: list[str]) -> list[str]:
    line = f"from pellucid import {', '.join(names)}"
    if len(line) <= LINE_LENGTH:
        return [line]
    wrapped = textwrap.wrap(", ".join(names) + ",", LINE_LENGTH - 4)
    return ["from pellucid import (", *(f"    {part}" for part in wrapped), ")"]


def _data_lines(settings: PlaygroundSettings) -> list[str]:
    if settings.data != USER_DATA:
        generator = f"{settings.data}({settings.samples}, noise={settings.noise!r}, seed={settings.data_seed})"
        return _split_lines(settings, generator)
    points = [f"({x1:g}, {x2:g}, {label})" for x1, x2, label in settings.points]
    classes = list(settings.dataset().classes or ())
    return [
        "points = np.array([  # x1, x2, class",
        *(f"    {', '.join(points[i : i + 6])}," for i in range(0, len(points), 6)),
        "])",
        "x, y = points[:, :2].astype(np.float32), points[:, 2].astype(np.int64)",
        *_split_lines(settings, f"Dataset(x, y, classes={classes})"),
    ]


def _split_lines(settings: PlaygroundSettings, points: str) -> list[str]:
    split = f".split({settings.validation!r}, seed={settings.data_seed})"
    if settings.features == COORDINATES:
        return [f"train, validation = {points}{split}"]
    names = ", ".join(f'"{name}"' for name in settings.features)
    return [f"points = {points}", f"points = with_features(points, {names})", f"train, validation = points{split}"]


def _assignment(edit: WeightEdit) -> str:
    return f'model.weights["{edit.array}"][{", ".join(map(str, edit.place))}] = {edit.value!r}  # set by hand'


def _training_lines(settings: PlaygroundSettings, steps: int, batches: int) -> list[str]:
    batch_size = f"batch_size={settings.batch_size or 'len(train)'}"
    rates = {step: rate for step, rate in settings.learning_rates.items() if 0 < step < steps}
    edits = [edit for edit in settings.edits if 0 < edit.step <= steps]
    if steps % batches == 0 and not rates and not edits:
        return [f"model.fit(train, validation=validation, epochs={steps // batches or DEFAULT_EPOCHS}, {batch_size})"]
    lines = [f"options = FitOptions(epochs={-(-steps // batches)}, {batch_size})"]
    if rates:
        lines.append(f"control, rates = Control(), {rates}  # a step, and the learning rate after it")
    control = ", control=control" if rates else ""
    lines.append(f"for event in model.fit_events(train, options=options{control}):")
    if not rates and not edits:
        return [*lines, f"    if isinstance(event, StepEvent) and event.step == {steps}:", "        break"]
    lines.append("    if isinstance(event, StepEvent):")
    if rates:
        lines.append("        control.learning_rate = rates.get(event.step, control.learning_rate)")
    for step, group in itertools.groupby(edits, key=lambda edit: edit.step):
        lines += [f"        if event.step == {step}:", *(f"            {_assignment(edit)}" for edit in group)]
    return [*lines, f"        if event.step == {steps}:", "            break"]


def source(part: Any) -> str:
    """Return the Python expression of a setting.

    Its first field and initializers are positional arguments; the others are keywords, and omitted if they have their default.
    """
    if isinstance(part, Chain):
        return f"Chain({', '.join(source(component) for component in part.pieces)})"
    if not isinstance(part, Config):
        return repr(part)
    arguments = []
    for i, field in enumerate(dataclasses.fields(part)):  # type: ignore[arg-type]
        value = getattr(part, field.name)
        if i == 0 or isinstance(value, Initializer):
            arguments.append(source(value))
        elif value != field.default:
            arguments.append(f"{field.name}={source(value)}")
    return f"{type(part).__name__}({', '.join(arguments)})"
