"""The first use of presets: what their trainings need of the compiled kernels is compiled ahead, by ``pellucid warm-up``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid import data as datasets, kernels
from pellucid.data import Dataset, text
from pellucid.data.sources.user_data import ReadOptions
from pellucid.errors import ConfigError, did_you_mean
from pellucid.kernels import compilation, prebuilt
from pellucid.model.first_use import kernel_calls, train_briefly
from pellucid.runs.presets import PRESETS
from pellucid.runs.task import Task
from pellucid.training.progress import Interruption, exception_for, interruptible
from pellucid.training.threads import available_cores

ROWS, CLASSES = 60, 10  # of the made up data


@dataclass(frozen=True)
class WarmUp:
    """A warm-up: the presets, the time it took, the number of processes, and the folder of the compiled code; or the prebuilt
    library, with which there is nothing to compile."""

    presets: tuple[str, ...]
    seconds: float
    processes: int
    folder: Path
    library: Path | None = None


def warm_up(names: Sequence[str] = ()) -> WarmUp:
    """Compile what these presets need (without names: all presets) into the cache of compiled code.

    Ctrl-C ends it after the kernel that is being compiled, which is in the cache then.

    With a prebuilt library, nothing is done. Raises ConfigError for an unknown preset, without Numba, and where no folder
    can be written.
    """
    start = time.perf_counter()
    for name in names:
        if name not in PRESETS:
            raise ConfigError(f"there is no preset {name!r}: {did_you_mean(name, PRESETS)}")
    names = tuple(dict.fromkeys(names or PRESETS))
    library = prebuilt.library()
    if library is not None:
        return WarmUp(names, 0.0, 0, library.path.parent, library.path)
    compiled = kernels.load("compiled")
    folder = compiled.cache_folder()
    if folder is None:
        raise ConfigError("no folder for compiled kernels can be written: set NUMBA_CACHE_DIR to one that can")
    calls: dict[str, compilation.KernelCall] = {}
    trainings = []
    with interruptible() as interruption, compilation.shared(compiled, lambda: list(calls.values())):
        compilation.start_early()
        for name in names:
            for data in _examples(name):
                recipe = PRESETS[name].adapted_to(data)
                task = Task.of(recipe, data, name)
                with kernels.using("compiled"):
                    model = task.network.compile(data.shape, task.loss, recipe.optimizer, task.metrics, classes=data.classes)
                trainings.append((model, data, None, None, recipe.fit))
                calls |= {call.kind: call for call in kernel_calls(*trainings[-1])}
        compiled.set_num_threads(available_cores())
        for call in calls.values():
            compilation.make([call], compiled)
            _end_if(interruption)
        for training in trainings:  # for all that is not a kernel by itself
            train_briefly(*training)
            _end_if(interruption)
        processes = 1 + compilation.num_helpers()
    return WarmUp(names, time.perf_counter() - start, processes, folder)


def _end_if(interruption: Interruption) -> None:
    """Raise the exception of the signal that has arrived, if one has."""
    if interruption.number is not None:
        raise exception_for(interruption.number)


def _examples(name: str) -> list[Dataset]:
    """Return small made up data sets that the preset can learn from: images, a text, or those that tables and series are read
    to."""
    random = np.random.default_rng(0)
    classes, labels = [str(k) for k in range(CLASSES)], np.arange(ROWS) % CLASSES
    if name in ("table", "forecast"):
        x = random.normal(size=ROWS)
        table = "\n".join(["t,x,kind", *(f"{i},{x[i]:.3f},{'ab'[i % 2]}" for i in range(ROWS))])
        tasks = [ReadOptions(target="kind"), ReadOptions(target="x")]
        series = [ReadOptions(target=("x",), ignore=("kind",), horizon=2, window=4)]
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "example.csv"
            path.write_text(table, encoding="utf-8")
            return [datasets.load(str(path), reading=reading).train for reading in (tasks if name == "table" else series)]
    recipe = PRESETS[name]
    if recipe.context is not None:
        return [text.windows("abcdefgh" * (ROWS * recipe.context // 8) + "a", recipe.context)]
    size = 32 if recipe.segments else 28
    images = random.integers(0, 256, (ROWS, size, size, 1), np.uint8)
    if recipe.segments:
        return [Dataset(images, np.broadcast_to(labels[:, None, None], images.shape[:3]), classes=classes)]
    return [Dataset(images, images / np.float32(255)) if recipe.reconstructs else Dataset(images, labels, classes=classes)]
