"""Pickles of fitted estimators: a model is pickled as the bytes of its model file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pellucid.core.config import Config, class_key
from pellucid.model.model import Model


def model_to_bytes(model: Model) -> tuple[bytes, list[type]]:
    """Return the model's file with its training state, and the custom classes in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pellucid"
        model.save(path, training_state=True)
        custom = custom_classes((model.network, model.loss, model.optimizer))
        return path.read_bytes(), sorted(custom, key=lambda cls: cls.__qualname__)


def model_from_bytes(file: bytes, classes: list[type]) -> Model:
    """Return the model of a file with its custom ``classes``; its training continues as before. Raises FileError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pellucid"
        path.write_bytes(file)
        return Model.load(path, custom_classes=classes)


def custom_classes(value: Any) -> set[type]:
    """Return the classes in a configuration, nested ones included, that are not Pellucid's."""
    if isinstance(value, (tuple, list)):
        return set().union(*map(custom_classes, value)) if value else set()
    if not isinstance(value, Config):
        return set()
    return custom_classes(list(vars(value).values())) | ({type(value)} if ":" in class_key(type(value)) else set())
