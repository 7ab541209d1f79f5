"""The language models of the page: those of run folders that were trained on text, and the one of the package.

The networks of a folder of runs are looked for whenever the page lists them, so that a training that ends in the meantime
appears. A network is loaded when it is first listed.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from pellucid.app.api import NotFoundError
from pellucid.core.files import read_json
from pellucid.data.text.stage import Tokens
from pellucid.errors import ConfigError, DataError, FileError, PellucidError
from pellucid.explain import TokenReader
from pellucid.model.model import Model
from pellucid.runs.folder import open_run, read_metrics

CARD = "shakespeare.json"  # in the folder app/shakespeare of the package: how its network was made, and its figures
MAX_RUNS = 50  # the newest runs of text in a folder
TRAIN = "pellucid train tinyshakespeare --model gpt"
PROMPTS = ("ROMEO:\n", "The ", "the ", "\n", " ")  # the text to begin with is the first one that a network can read


@dataclass
class TextNetwork:
    """One language model. ``name`` identifies it on the page and in requests; ``settings`` is the config.json of its run."""

    name: str
    path: Path
    model: Model
    settings: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    of_package: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)  # held while ``reader`` is used

    @cached_property
    def reader(self) -> TokenReader:
        """What reads texts with this network."""
        return TokenReader(self.model)

    @property
    def stage(self) -> Tokens:
        """The input stage, with the tokenizer."""
        stage = self.model.input_stage
        assert isinstance(stage, Tokens)
        return stage

    @cached_property
    def prompt(self) -> str:
        """A text to begin with: none for a network that was trained on single lines."""
        if self.stage.separator is not None:
            return ""
        for text in PROMPTS:
            try:
                self.stage.tokenizer.encode(text)
            except DataError:
                continue
            return text
        return self.stage.tokenizer.decode([0])

    def describe(self) -> dict[str, Any]:
        """Return what the page shows about the network."""
        part = "test" if self.metrics.get("test") else "validation"
        return {
            "name": self.name,
            "preset": self.settings.get("preset", self.path.stem),
            "data": self.settings.get("data", {}).get("name"),
            "parameters": self.model.parameter_count,
            "window": self.model.input_shape[0],
            "tokens": len(self.stage.tokenizer),
            "prompt": self.prompt,
            "loss": self.metrics.get(part, {}).get("loss"),
            "evaluated_on": part,
            "of_package": self.of_package,
            "attention": [{"path": path, "heads": heads} for path, heads in self.reader.attention.items()],
            "blocks": list(self.reader.blocks),
        }


class TextNetworks:
    """All language models, the newest run first, and that of the package last. Safe to use from several threads."""

    def __init__(self, runs: Path | None = None):
        self._runs = runs  # the folder that is looked through, None if there is none
        self._given: dict[Path, TextNetwork] = {}
        self._found: dict[Path, tuple[float, TextNetwork]] = {}
        self._package: TextNetwork | None = None
        self._lock = threading.Lock()

    def add(self, *paths: Path) -> None:
        """Load run folders. Raises FileError for a path that is not a run, and ConfigError for a run of other data."""
        for path in paths:
            network = _load(path)
            with self._lock:
                self._given[network.path] = network

    def all(self) -> list[TextNetwork]:
        """Return all networks; those whose files have changed are loaded again. Runs that cannot be loaded are left out."""
        with self._lock:
            self._look()
            if self._package is None:
                self._package = _of_package()
            networks = [*self._given.values(), *(network for _, network in self._found.values())]
            for network in networks:
                same = sum(one.path.name == network.path.name for one in networks) > 1
                network.name = f"{network.path.parent.name}/{network.path.name}" if same else network.path.name
            return networks if self._package is None else [*networks, self._package]

    def get(self, name: str) -> TextNetwork:
        """Return the network of that name. Raises NotFoundError."""
        with self._lock:
            known = [*self._given.values(), *(network for _, network in self._found.values()), self._package]
        network = next((one for one in known if one is not None and one.name == name), None)
        if network is None:
            raise NotFoundError(f"there is no language model {name!r}: {TRAIN} trains one")
        return network

    def _look(self) -> None:
        """Load the newest runs of text in the folder."""
        if self._runs is None:
            return
        times = {}
        for file in self._runs.glob("*/model.pellucid"):
            try:
                if is_text(file.parent):
                    times[file.parent.resolve()] = file.stat().st_mtime
            except OSError:
                continue
        found = {}
        for path in sorted(times, key=lambda path: -times[path])[:MAX_RUNS]:
            known = self._found.get(path)
            if known is None or known[0] != times[path]:
                try:
                    known = times[path], _load(path)
                except PellucidError:
                    continue
            found[path] = known
        self._found = found


def is_text(path: Path) -> bool:
    """Return whether a run folder or model file is that of a network that reads text, as its settings say."""
    if path.is_file():
        return isinstance(Model.load(path).input_stage, Tokens)
    try:
        stage = read_json(path / "config.json").get("input_stage")
    except (FileError, AttributeError):
        return False
    return isinstance(stage, dict) and stage.get("class") == Tokens.__name__


def _load(path: Path) -> TextNetwork:
    model, settings = open_run(path)
    if not isinstance(model.input_stage, Tokens):
        raise ConfigError(
            f"{path} was not trained on text, so the tab Text cannot show it; {TRAIN} trains a network that it shows"
        )
    tokens = len(model.input_stage.tokenizer)
    if model.output_shape[-1] != tokens:
        raise ConfigError(
            f"{path} does not predict the next of {tokens:,} tokens, so the tab Text cannot show it; {TRAIN} trains a network "
            "that it shows"
        )
    metrics: dict[str, Any] = {}
    if path.is_dir() and (path / "metrics.json").exists():
        metrics = read_metrics(path)
    network = TextNetwork(path.name, path.resolve(), model, settings, metrics)
    _ = network.reader  # raises ConfigError for a network that predicts something else than the next token
    return network


def _of_package() -> TextNetwork | None:
    """Return the network of the package."""
    folder = files("pellucid.app").joinpath("shakespeare")
    if not folder.joinpath(CARD).is_file():
        return None
    card = json.loads(folder.joinpath(CARD).read_text(encoding="utf-8"))
    path = Path(str(folder.joinpath(card["file"])))
    settings = {"preset": card["preset"], "data": card["data"]}
    return TextNetwork(path.stem, path, Model.load(path), settings, card["metrics"], of_package=True)
