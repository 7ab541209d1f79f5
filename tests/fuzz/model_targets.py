"""Targets that read models: model files, run folders and networks in JSON."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import hashlib
import json
import os
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import numpy as np

from pellucid import (
    ROCAUC,
    Accuracy,
    Adam,
    AverageWeights,
    Checkpoint,
    CrossEntropy,
    Dense,
    EarlyStopping,
    Model,
    OneCycle,
    ReduceOnPlateau,
    ReLU,
    Sequential,
    Softmax,
)
from pellucid.cli.compare import run_table
from pellucid.core.config import registered_classes, to_json
from pellucid.core.files import TensorFile, canonical_json, tensor_chunks
from pellucid.data.sources.user_data import ReadOptions, read_splits
from pellucid.doctor.finding import Finding
from pellucid.export.verification import random_samples
from pellucid.layers import Layer
from pellucid.losses import Loss
from pellucid.metrics import Metric
from pellucid.networks import Composite
from pellucid.optim import Component, Schedule
from pellucid.runs import presets
from pellucid.runs.examination import examine_run, read_history
from pellucid.runs.folder import interrupted_runs, load_data, open_run, read_metrics
from pellucid.runs.plan import RunSettings
from pellucid.runs.resuming import saved_settings
from pellucid.training.checkpoint import checkpoint_files
from tests.fuzz.data_targets import small_model
from tests.fuzz.mutation import mutated_bytes, mutated_json, mutated_text, random_json
from tests.fuzz.target import MEGABYTE, Target
from tests.layers.test_layers import INSTANCES
from tests.model.files.cases import OWN

FILES = sorted((Path(__file__).parent.parent / "model/files/0.1").glob("*.pellucid"))
MAX_VALUES = 20_000  # of one sample anywhere in a network: a file of a larger network is read, but the network is not run
NAMES = ("class", "input", "output", "dense1", "layers", "nodes", "units", "same", "valid", "nearest", "linear", "causal")


def classes_in(value: Any) -> list[Any]:
    """Return all settings inside a JSON value that name a class."""
    if isinstance(value, list):
        return [one for item in value for one in classes_in(item)]
    if isinstance(value, dict):
        return [value] * ("class" in value) + [one for item in value.values() for one in classes_in(item)]
    return []


def class_names() -> list[str]:
    return sorted(name for kind in (Layer, Loss, Metric, Component, Schedule) for name in registered_classes(kind))


class ModelFiles(Target):
    """Model files: changed bytes, and changed headers, settings and arrays with a digest that is right again.

    What can be read is also shown, run and written again. The allowance is for a model of a few layers and its first run.
    """

    name, share, allowance = "model-files", 0.06, 4 * MEGABYTE

    def prepare(self) -> None:
        load_kernels()
        self.contents = [path.read_bytes() for path in FILES]
        files = [TensorFile(path) for path in FILES]
        self.files = [(file.settings, file.arrays()) for file in files]
        self.pieces = [piece for settings, _ in self.files for piece in classes_in(settings)]
        self.names = [*class_names(), *NAMES, "format", "needs", "0.1.0"]

    def make(self, random: Random) -> bytes:
        which, kind = random.randrange(len(self.contents)), random.random()
        if kind < 0.2:
            return mutated_bytes(random, self.contents[which], self.contents)
        try:
            return self._with_header(random, which) if kind < 0.3 else self._with_settings(random, which)
        except ValueError:  # the change has no form in JSON or UTF-8
            return mutated_bytes(random, self.contents[which], self.contents)

    def _with_header(self, random: Random, which: int) -> bytes:
        """Return a file with a changed table of arrays. Its digest is right."""
        content = self.contents[which]
        length = int.from_bytes(content[:8], "little")
        head, data = json.loads(content[8 : 8 + length]), content[8 + length :]
        metadata = head.pop("__metadata__")
        changed = mutated_json(random, head, list(head.values()), list(head))
        if not isinstance(changed, dict):
            raise ValueError
        text = ""
        for digest in ("0" * 64, None):
            if digest is None:
                digest = hashlib.sha256(len(text).to_bytes(8, "little") + text.encode() + data).hexdigest()
            text = canonical_json({"__metadata__": {**metadata, "sha256": digest}, **changed})
            text += " " * (-len(text.encode()) % 8)
        return len(text.encode()).to_bytes(8, "little") + text.encode() + data

    def _with_settings(self, random: Random, which: int) -> bytes:
        settings, arrays = self.files[which]
        if random.random() < 0.9:
            settings = mutated_json(random, settings, self.pieces, self.names)
        if random.random() < 0.3:
            arrays = self._changed_arrays(random, arrays)
        if not isinstance(settings, dict):
            raise ValueError
        return b"".join(tensor_chunks(settings, arrays))

    def _changed_arrays(self, random: Random, arrays: dict[str, Any]) -> dict[str, Any]:
        arrays = dict(arrays)
        name = random.choice(list(arrays)) if arrays else "dense1.W"
        array = np.array(arrays.get(name, np.zeros(3, np.float32)))
        kind = random.randrange(6)
        if kind == 0:
            arrays.pop(name, None)
        elif kind == 1:
            arrays[random.choice(("dense9.W", "adam1.m/dense1.W", "a/b/c", name + "x", ""))] = array
        elif kind == 2:
            arrays[name] = array.reshape(-1)
        elif kind == 3:
            arrays[name] = array.astype(np.float64)
        elif kind == 4:
            arrays[name] = np.zeros((0, *array.shape), np.float32)
        else:
            array.reshape(-1)[: random.randrange(1, 4)] = random.choice((np.nan, np.inf, -np.inf, 3e38, -1e30, 0, 1e-45))
            arrays[name] = array
        return arrays

    def read(self, data: bytes) -> None:
        model = Model.load(self.write("model.pellucid", data), custom_classes=OWN)
        use(model)
        again = self.folder / "again.pellucid"
        model.save(again, training_state=True)
        Model.load(again, custom_classes=OWN)


def use(model: Model) -> None:
    """Show a model, and run it unless it is large."""
    model.summary()
    repr(model)
    if largest(model.network, model.input_shape) <= MAX_VALUES:
        model.predict(random_samples(model.network, model.input_stage, model.input_shape, 2))


def largest(network: Layer, shape: Any) -> int:
    """Return the largest number of values of one sample in a network, its input and its parameters included."""
    spec = network.build(shape)
    shapes = list(shape.values()) if isinstance(shape, dict) else [shape]
    sizes = [slot.size for slot in spec.slots.values()]
    return max([spec.largest_output, spec.multiply_adds, *sizes, *(int(np.prod(one, dtype=float)) for one in shapes)])


class Checkpoints(ModelFiles):
    """Checkpoints, changed like model files, from which trainings with policies are resumed and finished.

    The allowance is for a model of a few layers and its training.
    """

    name, share, allowance = "checkpoints", 0.02, 4 * MEGABYTE

    def prepare(self) -> None:
        random = np.random.default_rng(0)
        self.x, self.y = random.normal(size=(12, 3)).astype(np.float32), np.arange(12) % 2
        writes = Checkpoint(self.folder / "written", every_steps=1, every_seconds=None, keep=99, cost=1.0)
        self._fit(policies=[*self._policies(), writes])
        paths = checkpoint_files(self.folder / "written")
        self.contents = [path.read_bytes() for path in paths]
        files = [TensorFile(path) for path in paths]
        self.files = [(file.settings, file.arrays()) for file in files]
        self.pieces = [piece for settings, _ in self.files for piece in (settings["training"], settings["training"]["state"])]
        self.names = ["pairs", "tuple", "array", "float", "dtype", "<f4", "<i8", "<u8", "|b1", "place", "scores", "memories"]
        self.names += ["epoch", "batch", "history", "rows", "record", "options", "data", "kernels", *self.files[0][1]]
        (self.folder / "resumed").mkdir()

    def _policies(self) -> list[Any]:
        return [AverageWeights(), ReduceOnPlateau(patience=1), EarlyStopping(2)]

    def _fit(self, **options: Any) -> None:
        network = Sequential(Dense(3), ReLU(), Dense(2), Softmax())
        model = network.compile((3,), CrossEntropy(), Adam(OneCycle(0.1)), metrics=[Accuracy(), ROCAUC()])
        model.fit(self.x, self.y, validation=(self.x, self.y), epochs=3, batch_size=4, progress=False, **options)

    def _with_settings(self, random: Random, which: int) -> bytes:
        settings, arrays = self.files[which]
        if random.random() < 0.8:
            training = dict(settings["training"])
            part = random.choice(("state", "state", "state", random.choice(list(training))))
            training[part] = mutated_json(random, training[part], self.pieces, self.names)
            return b"".join(tensor_chunks({**settings, "training": training}, arrays))
        return super()._with_settings(random, which)

    def read(self, data: bytes) -> None:
        self.write("resumed/checkpoint-000000005.pellucid", data)
        self._fit(policies=self._policies(), resume=self.folder / "resumed")


class Networks(Target):
    """Networks in JSON files, as ``--model FILE.json`` reads them; those that are not large are compiled and run.

    The allowance is for the model of a few layers.
    """

    name, share, allowance = "networks", 0.07, 4 * MEGABYTE

    def prepare(self) -> None:
        load_kernels()
        kept = [TensorFile(path).settings["network"] for path in FILES]
        small = [to_json(presets.preset(name).network(3)) for name in ("mlp", "cnn-fast", "lstm", "table", "resnet-small")]
        self.seeds = [*(json.loads(json.dumps(one)) for one in (*kept, *small))]
        self.pieces, self.names = [piece for seed in self.seeds for piece in classes_in(seed)], [*class_names(), *NAMES]

    def make(self, random: Random) -> bytes:
        network = mutated_json(random, random.choice(self.seeds), self.pieces, self.names)
        kind = random.random()
        if kind < 0.1:
            network = {"network": network}
        elif kind < 0.12:
            network = random_json(random)
        text = json.dumps(network).encode()
        return mutated_bytes(random, text) if random.random() < 0.1 else text

    def read(self, data: bytes) -> None:
        recipe = presets.preset(str(self.write("network.json", data)))
        network = recipe.network(3)
        shapes = ((3,), (6, 6, 1), (5, 2), (5,))
        shape = shapes[len(data) % len(shapes)]
        if largest(network, shape) <= MAX_VALUES:
            use(network.compile(shape))


def texts_in(value: Any) -> list[str]:
    """Return all strings inside a JSON value."""
    if isinstance(value, (list, dict)):
        return [text for one in (value if isinstance(value, list) else value.values()) for text in texts_in(one)]
    return [value] if isinstance(value, str) else []


def is_outside(text: str) -> bool:
    """Return whether the text names a folder outside the working folder: reading all of the disk would take its time."""
    with contextlib.suppress(OSError, ValueError):  # no path at all
        path = Path(text)
        return path.is_dir() and not path.resolve().is_relative_to(Path.cwd())
    return False


HISTORY = "epoch,seconds,learning_rate,train_loss,validation_loss\n1,0.1,0.01,2.5,2.25\n2,0.1,0.01,1.5,1.75\n"


class RunFolders(Target):
    """The settings and the metrics in run folders. The allowance is for opening the model, and for the data."""

    name, share, allowance = "run-folders", 0.01, 4 * MEGABYTE

    def prepare(self) -> None:
        (self.folder / "run").mkdir()
        table = self.write("run/table.csv", b"a,b,kind\n" + b"".join(b"%d,%d,%d\n" % (i, i * i % 7, i % 2) for i in range(30)))
        model = small_model(read_splits(str(table), ReadOptions(target="kind")).train)
        model.save(self.folder / "run/model.pellucid")
        reading = {"class": "ReadOptions", "target": "kind", "task": None, "missing": "error", "ignore": [], "header": True}
        data = {"name": "table", "requested": "table.csv", "split_seed": 0, "limit": None, "reading": reading}
        self.config = {
            "pellucid": "0.1.0",
            "preset": "table",
            "data": {**data, "reconstructs": False},
            "fit": {"epochs": 5, "policies": [{"class": "EarlyStopping"}]},
            "settings": RunSettings(data="table.csv", model="table").to_json(),
            **model.config(),
        }
        self.finding = dataclasses.asdict(Finding("dead-relu", "relu1", 0.5, 0.1, "Half are dead.", "Try less.", 2, (1, 5)))
        energy = {"how": "measured", "source": "RAPL", "joules": 3.5, "low": 2.0, "high": 7.0}
        scores = {"test": {"loss": 0.5, "accuracy": 0.9}, "validation": {"loss": 0.5}, "train": {}, "parameters": 31}
        sized = {**data, "sizes": {"train": 24, "validation": 3, "test": 3}, "sha256": "0"}
        self.status = {
            "status": "training",
            "epoch": 3,
            "epochs": 5,
            "seconds": 1.5,
            "updated": "2026-01-01",
            "error": None,
        }
        (self.folder / "run/checkpoints").mkdir()
        self.write("run/checkpoints/checkpoint-000000010.pellucid", b"")
        self.metrics = {"data": sized, **scores, "settings": {"model": "table"}, "epochs": 3, "seconds": 1.5, "energy": energy}

    def make(self, random: Random) -> bytes:
        config, metrics = copy.deepcopy(self.config), copy.deepcopy(self.metrics)
        if random.random() < 0.8:
            config["data"] = mutated_json(random, config["data"], (), ("mnist-x", "target", "table.csv", "kind"))
        if random.random() < 0.3:
            config = mutated_json(random, config)
        status = mutated_json(random, self.status) if random.random() < 0.3 else self.status
        words = ("nan", "inf", "1e999", ",", "\x00", '"', "epoch")
        history = mutated_text(random, HISTORY, words) if random.random() < 0.3 else HISTORY
        findings = mutated_json(random, [self.finding, self.finding]) if random.random() < 0.3 else [self.finding]
        return json.dumps([config, mutated_json(random, metrics), status, history, findings, random.random() < 0.1]).encode()

    def read(self, data: bytes) -> None:
        config, metrics, status, history, findings, examined = json.loads(data)
        self.write("run/history.csv", history.encode("utf-8", "replace"))
        self.write("run/findings.json", json.dumps(findings).encode())
        self.write("run/status.json", json.dumps(status).encode())
        self.write("run/config.json", json.dumps(config).encode())
        self.write("run/metrics.json", json.dumps(metrics).encode())
        with contextlib.chdir(self.folder / "run"), mock.patch.dict(os.environ, {"PELLUCID_DATA": "."}):
            _, settings = open_run(".")
            interrupted_runs("..")
            read_history(Path("history.csv"))
            if not any(is_outside(text) for text in texts_in(config)):
                if examined:
                    examine_run(".")
                saved_settings(".")
            run_table([{"run": "run", **read_metrics(".")}])
            if not any(is_outside(text) for text in texts_in(settings)):
                load_data(settings, None)


@functools.cache
def load_kernels() -> None:
    """Run every kind of layer once: the machine code of its kernels is compiled, or read, before anything is measured."""
    for layer, shape in INSTANCES:
        network = layer if isinstance(layer, Composite) else Sequential(layer)
        model = network.compile(shape)
        model.predict(random_samples(network, None, shape, 2))
