"""The trained networks that the page can ask: run folders whose network reads 28×28 pictures of digits.

Each is loaded when it is added, which takes some milliseconds.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.app.body import Missing
from pellucid.errors import ConfigError, FileError
from pellucid.model.model import Model
from pellucid.runs.folder import open_run, results

SHAPE = (28, 28, 1)
DIGITS = tuple("0123456789")
NEWEST = 50  # runs of a folder that are loaded


@dataclass
class Network:
    """One trained network: ``name`` is what people see and requests say. ``settings`` is the run's config.json."""

    name: str
    path: Path
    model: Model
    settings: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.classes or DIGITS

    @cached_property
    def convolutional(self) -> bool:
        """Whether it looks at pictures as pictures, not as rows of numbers."""
        return any(name.startswith("conv") for path in self.model.weights for name in path.split("."))

    def described(self) -> dict[str, Any]:
        """What the page shows of it."""
        part = "test" if self.metrics.get("test") else "validation"
        return {
            "name": self.name,
            "preset": self.settings.get("preset", self.path.stem),
            "data": self.settings.get("data", {}).get("name"),
            "parameters": self.model.parameter_count,
            "multiply_adds": self.model.multiply_adds,
            "accuracy": self.metrics.get(part, {}).get("accuracy"),
            "scored_on": part,
            "epochs": self.metrics.get("epochs"),
            "classes": self.classes,
            "convolutional": self.convolutional,
        }


class Networks:
    """All of them, in the order in which they came; may be asked from several threads."""

    def __init__(self) -> None:
        self._networks: dict[str, Network] = {}
        self._lock = threading.Lock()
        self.ready = threading.Event()  # set when what was there at the start has been loaded

    def add(self, *paths: Path) -> list[str]:
        """Loads runs; returns their names: that of the folder, with that of the folder around it where another has it. A name
        once given does not change. Raises FileError for what is no run, ConfigError for what reads no digits."""
        loaded = [_loaded(path) for path in paths]
        with self._lock:
            for network in loaded:
                known = next((one for one in self._networks.values() if one.path == network.path), None)
                network.name = known.name if known is not None else self._free_name(network.path)
                self._networks = {**self._networks, network.name: network}
            return [network.name for network in loaded]

    def _free_name(self, path: Path) -> str:
        around = f"{path.parent.name}/{path.name}"
        names = itertools.chain((path.name, around), (f"{around} ({number})" for number in itertools.count(2)))
        return next(name for name in names if name not in self._networks)

    def add_all(self, folder: Path) -> None:
        """The newest runs in a folder that can be asked about drawings; others are passed over."""
        runs = [path.parent for path in folder.glob("*/model.pellucid") if path.is_file()]
        for path in sorted(runs, key=_age)[-NEWEST:]:
            try:
                self.add(path)
            except (FileError, ConfigError):
                continue

    def warm(self) -> None:
        """Asks each network once, so that the first drawing finds compiled kernels loaded and memory made."""
        for network in self.some(None):
            network.model.predict(np.zeros((1, *SHAPE), np.uint8))

    def get(self, name: str) -> Network:
        """The network of that name. Raises Missing."""
        network = self._networks.get(name)
        if network is None:
            raise Missing(f"there is no network {name!r} here")
        return network

    def some(self, names: Iterable[str] | None) -> list[Network]:
        """Those named, or all."""
        return list(self._networks.values()) if names is None else [self.get(name) for name in names]

    def __len__(self) -> int:
        return len(self._networks)


def _loaded(path: Path) -> Network:
    model, settings = open_run(path)
    classes = model.classes or ()
    if model.input_shape != SHAPE or classes[:10] != DIGITS:
        raise ConfigError(f"{path} reads no drawn digits: it takes {model.input_shape} and knows {', '.join(classes[:12])}")
    metrics: dict[str, Any] = {}
    if path.is_dir() and (path / "metrics.json").exists():
        metrics = results(path)
    return Network(path.name, path.resolve(), model, settings, metrics)


def _age(path: Path) -> float:
    return (path / "model.pellucid").stat().st_mtime
