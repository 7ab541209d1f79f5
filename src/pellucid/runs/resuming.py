"""Resuming a run: from its folder back to a training that goes on, after an interruption or after its process was killed.

``config.json`` has the settings of the run, and ``checkpoints`` the state of its training. A run that was killed before its
first checkpoint starts again. The results are those of a run without the interruption: ``model.pellucid`` has the same bytes.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from pellucid.core.config import from_json
from pellucid.core.files import read_json
from pellucid.errors import FileError
from pellucid.layers.base import Layer
from pellucid.runs.folder import CHECKPOINTS, CONFIG, RunFolder, is_complete, read_status
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import EarlierRun, Notify, Observer, complete, prepare, silent
from pellucid.training import ranks
from pellucid.training.resuming import newest


def resume(
    path: str | Path,
    *,
    notify: Notify,
    progress: bool,
    alone: bool = True,
    observer: Observer | None = None,
    plan: RunPlan | None = None,
    figures: bool = True,
) -> dict[str, Any] | None:
    """Go on with the run in a folder, from its newest good checkpoint. Returns what :func:`~pellucid.runs.run.run` returns.

    Returns None if the run is complete. ``plan`` replaces the one that the settings in the folder select, where the caller has
    it. ``notify`` receives a line about the checkpoint, and one for each that is damaged. ``figures=False`` leaves the figures
    out.

    Raises FileError if the folder has no run, LockedError if another process is training into it, DataError if its data have
    changed, and CheckpointError if it has checkpoints, and all of them are damaged.
    """
    with ranks.together() as group, contextlib.ExitStack() as held:
        notify = notify if group.rank == 0 else silent
        folder = RunFolder.of_ranks(group, lambda: RunFolder.of_run(path), held)
        if group.from_first(lambda: is_complete(folder.path)):
            folder.remove(CHECKPOINTS)  # if the process was killed just before it removed them
            return None
        config, status = group.from_first(lambda: (read_config(folder.path), read_status(folder.path)))
        resumed = status.get("resumed")
        earlier = EarlierRun(folder, config, resumed if isinstance(resumed, int) else 0)
        _describe_checkpoint(folder, notify)
        test = config.get("uses_test_set") is not False
        plan = plan or saved_plan(folder.path)
        prepared = prepare(plan, earlier, force=True, notify=notify, held=held, test=test, figures=figures)
        return complete(prepared, notify=notify, progress=progress, alone=alone, observer=observer)


def _describe_checkpoint(folder: RunFolder, notify: Notify) -> None:
    """Say from which checkpoint the run goes on, and which ones are damaged."""
    saved = newest(folder.checkpoints)
    if saved is None:
        notify("resumed   from the beginning: there is no checkpoint yet")
        return
    for problem in saved.problems:
        notify(f"damaged   {problem}")
    epochs, steps = int(saved.file.settings["epochs"]), saved.steps  # all steps, those of the complete epochs too
    done = f"{epochs} complete epoch{'s' * (epochs != 1)}"
    notify(f"resumed   from {saved.path}: after {steps:,} step{'s' * (steps != 1)} ({done})")


def read_config(path: str | Path) -> dict[str, Any]:
    """Return the config.json of a run that can be resumed. Raises FileError if it is not that of one."""
    file = Path(path) / CONFIG
    config = read_json(file)
    if not isinstance(config, dict) or "settings" not in config:
        raise FileError(
            f"{file} has no settings to go on from: the run is of a version of Pellucid that could not resume; start a new one"
        )
    return config


def saved_settings(path: str | Path) -> RunSettings:
    """Return the settings of the run in a folder. Raises FileError if its config.json does not have them."""
    return RunSettings.from_json(read_config(path)["settings"], str(Path(path) / CONFIG))


def saved_plan(path: str | Path) -> RunPlan:
    """Return the plan of the run in a folder. Raises FileError if its config.json does not have the settings.

    The network is the one in config.json: the file that the run was started with may have changed.
    """
    network = read_config(path).get("network")
    return RunPlan.of(saved_settings(path), None if network is None else from_json(network, Layer))


def is_of(path: str | Path, settings: RunSettings) -> bool:
    """Return whether the folder holds an interrupted run with these settings, and a checkpoint of it."""
    try:
        same = saved_settings(path) == RunSettings.from_json(settings.to_json(), "")
        return same and newest(Path(path) / CHECKPOINTS) is not None
    except FileError:
        return False
