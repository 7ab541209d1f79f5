"""Model files: which settings and arrays of a model are saved, and how a model is restored from them.

:mod:`pellucid.core.files` checks the file itself before this module sees it. Here the settings become objects, and the shapes
of the arrays are compared with the network's before any memory of that size is allocated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.config import from_json
from pellucid.core.files import FORMAT, NEEDS, TensorFile, check_format, tensor_chunks
from pellucid.core.memory import Array, Shape
from pellucid.data.input_stage import InputStage
from pellucid.errors import CheckpointError, ConfigError, FileError, PellucidError
from pellucid.layers.base import Layer
from pellucid.losses import Loss
from pellucid.metrics import Metric
from pellucid.optim import Chain, Rule
from pellucid.optim.adam import MIN_EPSILON
from pellucid.training.checkpoint import CHECKPOINT_ARRAYS
from pellucid.training.inputs import sample_shapes
from pellucid.training.state import ModelState

STORED = ("float16", "float32")  # the formats of the arrays in a file, besides the model's own

# The rules for which files may hold an ε below MIN_EPSILON, from before there was this bound. Younger rules are not listed.
ROUNDED_RULES = ("Adagrad", "Adam", "Adamax", "Muon", "Nadam", "RMSprop")


def settings(state: ModelState, config: Mapping[str, Any], *, training_state: bool) -> dict[str, Any]:
    """Return the settings in the file of the model with this state and this configuration."""
    counts = {"steps": state.steps, "epochs": state.epochs}
    return {"format": FORMAT, "needs": NEEDS, "training_state": training_state, **counts, **config}


def content(state: ModelState, config: Mapping[str, Any], *, training_state: bool, dtype: str | None = None) -> list[bytes]:
    """Return the file of the model with this state and these settings, in pieces; ``training_state`` adds the optimizer's
    vectors. ``dtype`` is "float16" or "float32", in which the arrays are stored, or None for their own.

    Raises ConfigError for another ``dtype``, and for values that it cannot hold.
    """
    arrays = state.saved_arrays(training_state=training_state)
    if dtype is not None:
        arrays = {name: _converted(name, array, dtype) for name, array in arrays.items()}
    return tensor_chunks(settings(state, config, training_state=training_state), arrays)


def _converted(name: str, array: Array, dtype: str) -> Array:
    """Return an array in another floating-point format. Raises ConfigError if a value is too large for it."""
    if dtype not in STORED:
        raise ConfigError(f"save(dtype={dtype!r}): arrays are stored as {' or '.join(STORED)}; leave dtype out for their own")
    largest, limit = float(np.abs(array).max(initial=0.0)), float(np.finfo(dtype).max)
    if np.isfinite(largest) and largest > limit:
        raise ConfigError(
            f"save(dtype={dtype!r}): {name} has values up to {largest:.3g}, and the largest {dtype} is "
            f"{limit:.3g}; leave dtype out"
        )
    return array.astype(dtype)


@dataclass(frozen=True)
class SavedModel:
    """The contents of a model file: the arguments of the model, and the file with its arrays."""

    path: Path
    file: TensorFile
    network: Layer
    input_shape: Any
    options: Mapping[str, Any]  # the other arguments of the model
    training_state: bool
    steps: int
    epochs: int

    @property
    def is_checkpoint(self) -> bool:
        """Whether the file also holds the state of a training."""
        return "training" in self.file.settings

    def restore(self, state: ModelState) -> None:
        """Copy the arrays of the file into the state of a model. Raises CheckpointError where they do not fit."""
        arrays, targets = self.file.arrays(), state.saved_arrays(training_state=self.training_state)
        shapes = {name: shape for name, shape in self.file.shapes.items() if not name.startswith(CHECKPOINT_ARRAYS)}
        if {name: array.shape for name, array in targets.items()} != shapes:
            raise CheckpointError(f"{self.path}: its training state does not fit its optimizer, {state.updater.optimizer}")
        for name, target in targets.items():
            target[...] = arrays[name]
        state.steps, state.epochs = self.steps, self.epochs


def read(path: str | Path, custom_classes: Iterable[Any] = (), content: bytes | None = None) -> SavedModel:
    """Read a model file that may use ``custom_classes``; ``content`` are its bytes, if they have been read.

    Raises FileError for a damaged file, CheckpointError for arrays that do not fit the network, ConfigError for unknown
    classes and settings.
    """
    file, custom = TensorFile(path, content), tuple(custom_classes)
    settings = file.settings
    check_format(path, settings, "model")
    try:
        network = from_json(settings["network"], Layer, custom)
        shape = _shape(path, settings["input_shape"], network)
        expected = {name: slot.shape for name, slot in network.build(shape).slots.items()}
        actual = {name: shape for name, shape in file.shapes.items() if "/" not in name}  # without the optimizer's
        if expected != actual:
            raise CheckpointError(f"{path}: its arrays do not fit its network: {_first_difference(expected, actual)}")
        stage, optimizer = settings["input_stage"], _with_allowed_epsilon(settings["optimizer"])
        kind: Any = Chain if isinstance(optimizer, dict) and optimizer.get("class") == "Chain" else Rule
        options = {
            "loss": _by_name(settings["loss"], Loss, custom),
            "optimizer": from_json(optimizer, kind, custom),
            "metrics": _by_name(settings["metrics"], Metric, custom),
            "seed": settings["seed"],
            "classes": settings["classes"],
            "input_stage": _by_name(stage, InputStage, custom),
            "loss_weights": settings.get("loss_weights"),
        }
        progress = {"steps": int(settings["steps"]), "epochs": int(settings["epochs"])}
        training_state = bool(settings["training_state"])
    except PellucidError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} lacks settings of a model ({type(error).__name__}: {error})") from None
    return SavedModel(Path(path), file, network, shape, options, training_state, **progress)


def _shape(path: str | Path, value: Any, network: Layer) -> Any:
    """Return the shape of one sample, which ``build`` trusts, as a tuple; of several inputs a dictionary. Raises FileError."""
    try:
        return sample_shapes(value, network)
    except PellucidError as error:
        raise FileError(f"{path}: {error}") from None


def _by_name(value: Any, kind: Any, custom: Iterable[Any]) -> Any:
    """Return the settings in JSON as an object, a list of them, or a dictionary of either by input or output; None is None."""
    if value is None:
        return None
    if isinstance(value, list):
        return [from_json(one, kind, custom) for one in value]
    if isinstance(value, dict) and not isinstance(value.get("class"), str) and set(value) != {"function"}:
        return {name: _by_name(one, kind, custom) for name, one in value.items()}
    return from_json(value, kind, custom)


def _with_allowed_epsilon(optimizer: Any) -> Any:
    """Return the settings of an optimizer, with ε raised to the least that its rules allow: files may have been written when a
    smaller one was allowed."""
    if isinstance(optimizer, list):
        return [_with_allowed_epsilon(component) for component in optimizer]
    if not isinstance(optimizer, dict):
        return optimizer
    if optimizer.get("class") == "Chain":
        return {**optimizer, "pieces": _with_allowed_epsilon(optimizer.get("pieces"))}
    if optimizer.get("class") in ROUNDED_RULES and 0 < optimizer.get("epsilon", 1) < MIN_EPSILON:
        return {**optimizer, "epsilon": MIN_EPSILON}
    return optimizer


def _first_difference(expected: Mapping[str, Shape], actual: Mapping[str, Shape]) -> str:
    """Return the first array whose shape differs, with both shapes, for a message."""
    for name in {**expected, **actual}:
        if expected.get(name) != actual.get(name):
            return f"{name} should be {expected.get(name, 'absent')}, is {actual.get(name, 'absent')}"
    raise AssertionError("they are equal")
