"""Estimators among processes: how a fitted model travels from one to the other, and how many cores each may use."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pellucid.core.config import Config, key
from pellucid.model.model import Model
from pellucid.training import shards


def packed(model: Model) -> tuple[bytes, list[type]]:
    """The model's file, training state included, and the classes in it that are not Pellucid's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pellucid"
        model.save(path, training_state=True)
        own = own_classes((model.network, model.loss, model.optimizer))
        return path.read_bytes(), sorted(own, key=lambda cls: cls.__qualname__)


def unpacked(file: bytes, classes: list[type]) -> Model:
    """The model that was packed: the same parameters, and training goes on as it would have. Raises FileError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pellucid"
        path.write_bytes(file)
        return Model.load(path, custom_classes=classes)


def own_classes(value: Any) -> set[type]:
    """The classes, other than Pellucid's, of a configuration and of what is in it."""
    if isinstance(value, (tuple, list)):
        return set().union(*map(own_classes, value)) if value else set()
    if not isinstance(value, Config):
        return set()
    return own_classes(list(vars(value).values())) | ({type(value)} if ":" in key(type(value)) else set())


@contextlib.contextmanager
def share_of_cores() -> Iterator[None]:
    """Inside, no more threads than OMP_NUM_THREADS says: joblib sets it in its processes, to the share of each."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if not told.isdigit() or int(told) == 0:
        yield
        return
    shards.limit(int(told))
    try:
        yield
    finally:
        shards.limit(None)
