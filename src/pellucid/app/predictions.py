"""The predictions of networks for a part of a data set: computed once, and kept in memory and in files.

A prediction is found by digests: that of the network's settings and parameters, and that of the data. So a network that is
trained again, or a file of the data that changes, never gets an old prediction, and the same network under another name does.
The files are in the hidden folder ``.predictions`` of the runs. A damaged file is computed again. The labels are in the file as
well, so that results need the images only to show them.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.app.networks import DIGITS, SHAPE, Network
from pellucid.core.files import TensorFile, canonical_json, make_folder, read_json, save_tensors, tensor_chunks, write_text
from pellucid.core.memory import Array
from pellucid.core.version import __version__
from pellucid.data import Dataset, Splits
from pellucid.data.sources import registry
from pellucid.errors import DataError, FileError, PellucidError
from pellucid.model.model import Model
from pellucid.training.execution import chunks

FOLDER = ".predictions"
SUFFIX = ".safetensors"
DIGESTS = "digests.json"  # of the data sets when they were loaded last
CHUNK = 256  # images between two reports of the progress
POLL_INTERVAL = 0.1  # seconds between two looks of a waiting request whether it was cancelled
MAX_DATASETS, MAX_PREDICTIONS = 3, 24  # kept in memory
MAX_FILES = 60  # of some 500 KB each; the oldest are deleted


@dataclass(frozen=True)
class Part:
    """Which images: a part of a data set by its name, and the seed of its split."""

    data: str
    seed: int
    part: str


@dataclass(frozen=True)
class Card:
    """What a data set says about itself."""

    name: str
    source: str
    sha256: str
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Predicted:
    """The probabilities (n, k) that a network computes for the images of a part, and their labels y (n)."""

    card: Card
    y: Array
    probabilities: Array


class CancelledError(PellucidError):
    """The request was cancelled before its results were computed."""


class Progress:
    """How far a request is: ``state`` is "waiting", "loading" the ``data``, or "computing", with ``done`` images ``of`` all.

    Another thread may call :meth:`cancel`: the next report of the progress then raises CancelledError.
    """

    def __init__(self) -> None:
        self.now: dict[str, Any] = {"state": "waiting"}
        self._cancelled = False

    def cancel(self) -> None:
        """End the work at its next report."""
        self._cancelled = True

    def check(self) -> None:
        """Raise CancelledError if the request was cancelled."""
        if self._cancelled:
            raise CancelledError("the comparison was cancelled")

    def loading(self, data: str) -> None:
        """Report that a data set is being loaded."""
        self.check()
        self.now = {"state": "loading", "data": data}

    def computing(self, network: str, done: int, of: int) -> None:
        """Report how many predictions are computed."""
        self.check()
        self.now = {"state": "computing", "network": network, "done": done, "of": of}


class PredictionStore:
    """The predictions that are known. Safe to use from several threads: one computes, the others wait for its results."""

    def __init__(self, runs: Path, data_dir: Path | None):
        self._folder, self._data_dir = runs / FOLDER, data_dir
        self._splits: OrderedDict[tuple[str, int], Splits] = OrderedDict()
        self._known: OrderedDict[str, Predicted] = OrderedDict()
        self._lock = threading.Lock()

    def samples(self, part: Part, progress: Progress) -> tuple[Dataset, Card]:
        """Return the images of a part, loaded on first use.

        Raises what ``registry.load`` raises, DataError, and CancelledError.
        """
        with self._turn(progress):
            return self._samples(part, progress)

    def predictions(
        self, networks: Sequence[Network], part: Part, sha256: str | None, progress: Progress
    ) -> dict[str, Predicted]:
        """Return the predictions of the networks by their names.

        ``sha256`` is the digest that the data had when a network was trained. If the predictions for such data are known, or
        those for the data as it was loaded last, it is not loaded again. Raises like :meth:`samples`.
        """
        with self._turn(progress):
            digests = {network.name: digest(network.model) for network in networks}
            found: dict[str, Predicted] = {}
            loaded = self._splits.get((part.data, part.seed))
            for known in (self._last_digest(part), sha256) if loaded is None else (loaded.sha256,):
                if known is not None and len(found) < len(networks):
                    found = self._known_ones({name: _key(one, part, known) for name, one in digests.items()})
            if len(found) < len(networks):
                samples, card = self._samples(part, progress)
                keys = {name: _key(one, part, card.sha256) for name, one in digests.items()}
                found = self._known_ones(keys)
                missing = [network for network in networks if network.name not in found]
                for i, network in enumerate(missing):
                    before, of = i * len(samples), len(missing) * len(samples)
                    p = _probabilities(network, samples.x, before, of, progress)
                    found[network.name] = Predicted(card, np.asarray(samples.y), p)
                    self._keep(keys[network.name], found[network.name], write=True)
            return found

    @contextlib.contextmanager
    def _turn(self, progress: Progress) -> Iterator[None]:
        """Wait until no other request is computed, then keep others waiting during the ``with`` block."""
        while not self._lock.acquire(timeout=POLL_INTERVAL):
            progress.check()
        try:
            yield
        finally:
            self._lock.release()

    def _known_ones(self, keys: dict[str, str]) -> dict[str, Predicted]:
        found = {name: self._find(key) for name, key in keys.items()}
        return {name: one for name, one in found.items() if one is not None}

    def _samples(self, part: Part, progress: Progress) -> tuple[Dataset, Card]:
        key = part.data, part.seed
        if key not in self._splits:
            progress.loading(part.data)
            splits = registry.load(part.data, self._data_dir, part.seed)
            if splits.test.shape != SHAPE or (splits.classes or ())[:10] != DIGITS:
                raise DataError(f"{splits.name} does not contain images of digits")
            self._splits[key] = splits
            self._remember(part, splits)
        self._splits.move_to_end(key)
        while len(self._splits) > MAX_DATASETS:
            self._splits.popitem(last=False)
        splits = self._splits[key]
        samples: Dataset = getattr(splits, part.part)
        return samples, Card(splits.name, splits.source, splits.sha256, splits.classes or DIGITS)

    def _last_digest(self, part: Part) -> str | None:
        """Return the digest that a data set had when it was loaded last, None if it may have changed since."""
        with contextlib.suppress(FileError, AttributeError):
            found = read_json(self._folder / DIGESTS).get(_data_key(part))
            return found if isinstance(found, str) else None
        return None

    def _remember(self, part: Part, splits: Splits) -> None:
        """Store the digest of a data set whose content is fixed: not that of user data, nor of a part in place of MNIST."""
        if part.data not in registry.SOURCES or splits.name != part.data:
            return
        known: dict[str, Any] = {}
        with contextlib.suppress(FileError, TypeError, ValueError):
            known = dict(read_json(self._folder / DIGESTS))
        with contextlib.suppress(FileError, OSError):
            make_folder(self._folder)
            write_text(self._folder / DIGESTS, canonical_json({**known, _data_key(part): splits.sha256}), sync=False)

    def _find(self, key: str) -> Predicted | None:
        """Return what is known under a key, from memory or from its file."""
        if key not in self._known:
            predicted = self._read(key)
            if predicted is None:
                return None
            self._keep(key, predicted, write=False)
        self._known.move_to_end(key)
        return self._known[key]

    def _keep(self, key: str, predicted: Predicted, *, write: bool) -> None:
        self._known[key] = predicted
        while len(self._known) > MAX_PREDICTIONS:
            self._known.popitem(last=False)
        if write:
            with contextlib.suppress(FileError, OSError):  # a cache that cannot be written is no error
                self._write(key, predicted)

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}{SUFFIX}"

    def _read(self, key: str) -> Predicted | None:
        path = self._path(key)
        try:
            if not path.is_file():
                return None
            file = TensorFile(path)
            if file.settings.get("key") != key:
                return None
            arrays, card = file.arrays(), file.settings["card"]
            card = Card(card["name"], card["source"], card["sha256"], tuple(card["classes"]))
            return Predicted(card, arrays["y"].astype(np.int64), arrays["probabilities"])
        except (FileError, OSError, KeyError, TypeError):
            return None

    def _write(self, key: str, predicted: Predicted) -> None:
        make_folder(self._folder)
        arrays = {"probabilities": predicted.probabilities, "y": predicted.y.astype(np.float32)}
        save_tensors(self._path(key), {"key": key, "card": asdict(predicted.card)}, arrays)
        files = sorted(self._folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
        for path in files[:-MAX_FILES]:
            path.unlink(missing_ok=True)


def digest(model: Model) -> str:
    """Return the SHA-256 of the settings and the parameters of a model."""
    sha = hashlib.sha256()
    for chunk in tensor_chunks(model.config(), model.state.saved_arrays(training_state=False)):
        sha.update(chunk)
    return sha.hexdigest()


def _data_key(part: Part) -> str:
    return f"{__version__} {part.data} {part.seed}"


def _key(network: str, part: Part, sha256: str) -> str:
    """Return what identifies a prediction; the version too, as another one may compute other values."""
    return canonical_json({"version": __version__, "network": network, "sha256": sha256, **asdict(part)})


def _probabilities(network: Network, x: Array, before: int, of: int, progress: Progress) -> Array:
    parts = []
    for rows in chunks(len(x), CHUNK):
        progress.computing(network.name, before + rows.start, of)
        parts.append(network.model.predict(x[rows]))
    return np.concatenate(parts)
