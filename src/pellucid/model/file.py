"""Models in files: which settings and which arrays of a model make a file, and how they come back.

The file itself (:mod:`pellucid.core.files`) has been checked when this module sees it. Here the settings become objects, and
the arrays are held against the network's slots before a network of that size is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core.config import from_json
from pellucid.core.files import TensorFile, save_tensors
from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import InputStage
from pellucid.errors import CheckpointError, FileError, PellucidError
from pellucid.layers.base import Layer
from pellucid.losses import Loss
from pellucid.metrics import Metric
from pellucid.optim import Chain, Rule
from pellucid.training.parts import Parts

FORMAT = 1  # of the settings


def save(path: str | Path, parts: Parts, config: Mapping[str, Any], *, training_state: bool) -> None:
    """Writes the model with these parts and this configuration."""
    counts = {"steps": parts.steps, "epochs": parts.epochs}
    settings = {"format": FORMAT, "training_state": training_state, **counts, **config}
    save_tensors(path, settings, _arrays(parts, training_state))


def _arrays(parts: Parts, training_state: bool) -> dict[str, Array]:
    """All arrays that a file holds, by name; the optimizer's are called ``adam1.m/dense1.W``."""
    arrays = parts.layout.arrays(parts.theta) | parts.state_layout.arrays(parts.state)
    if training_state:
        for name, vector in parts.updater.state.items():
            arrays |= {f"{name}/{path}": a for path, a in parts.layout.arrays(vector).items()}
    return arrays


@dataclass(frozen=True)
class Saved:
    """A file that was read: what a model is made of, and the arrays that go into it."""

    path: Path
    file: TensorFile
    network: Layer
    input_shape: Shape
    options: Mapping[str, Any]  # what else a Model takes

    def fill(self, parts: Parts) -> None:
        """Puts the file's arrays into a model's parts. Raises CheckpointError where they do not fit."""
        settings, arrays = self.file.settings, self.file.arrays()
        targets = _arrays(parts, bool(settings["training_state"]))
        if {name: a.shape for name, a in targets.items()} != self.file.shapes:
            raise CheckpointError(f"{self.path}: its training state is not that of its optimizer {parts.updater.optimizer}")
        for name, target in targets.items():
            target[...] = arrays[name]
        parts.steps, parts.epochs = int(settings["steps"]), int(settings["epochs"])


def read(path: str | Path, custom_classes: Iterable[type] = ()) -> Saved:
    """The model in a file; ``custom_classes`` are other people's classes that it uses. Raises FileError and ConfigError."""
    file, own = TensorFile(path), tuple(custom_classes)
    settings = file.settings
    if settings.get("format") != FORMAT:
        raise FileError(f"{path} is of format {settings.get('format')!r}, this version of Pellucid reads format {FORMAT}")
    try:
        network = from_json(settings["network"], Layer, own)
        shape = tuple(settings["input_shape"])
        wanted = {name: slot.shape for name, slot in network.build(shape).slots.items()}
        found = {name: shape for name, shape in file.shapes.items() if "/" not in name}
        if wanted != found:
            raise CheckpointError(f"{path}: its arrays are not those of its network: {_difference(wanted, found)}")
        stage, optimizer = settings["input_stage"], settings["optimizer"]
        kind: Any = Chain if isinstance(optimizer, dict) and optimizer.get("class") == "Chain" else Rule
        options = {
            "loss": from_json(settings["loss"], Loss, own),
            "optimizer": from_json(optimizer, kind, own),
            "metrics": [from_json(metric, Metric, own) for metric in settings["metrics"]],
            "seed": settings["seed"],
            "classes": settings["classes"],
            "input_stage": None if stage is None else from_json(stage, InputStage, own),
        }
        int(settings["steps"]), int(settings["epochs"]), settings["training_state"]
    except PellucidError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} lacks settings of a model ({type(error).__name__}: {error})") from None
    return Saved(Path(path), file, network, shape, options)


def _difference(wanted: Mapping[str, Shape], found: Mapping[str, Shape]) -> str:
    for name in {**wanted, **found}:
        if wanted.get(name) != found.get(name):
            return f"{name} should be {wanted.get(name, 'absent')}, is {found.get(name, 'absent')}"
    raise AssertionError("they are equal")
