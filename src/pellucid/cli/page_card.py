"""The heading and the card of an exported web page: what it says about the network of a run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.app.tabs.train_job import command
from pellucid.cli.common import format_scores
from pellucid.runs.folder import CONFIG, read_metrics, read_status
from pellucid.runs.plan import RunSettings


def page_title(run: Path) -> str:
    """Return the heading of the page: the name of the run folder, or that of the model file without its ending."""
    path = Path(run).resolve()
    return path.name if os.path.isdir(path) else path.stem


def page_card(run: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the data of a run folder, its scores, and when and by which command it was trained, by name. Empty for a file.

    A page is for others: files and folders of this machine have their names alone, and no ``--data-dir``.
    """
    if not os.path.isdir(run):
        return {}
    metrics, card = read_metrics(run), dict[str, str]()
    settings = None
    if config.get("settings"):
        settings = RunSettings.from_json(config["settings"], str(Path(run) / CONFIG))
    data, part = metrics.get("data", {}), "test" if metrics.get("test") else "validation"
    sizes = data.get("sizes", {})
    if data.get("name"):
        limit = None if settings is None else settings.limit
        trained_on = f"{min(sizes['train'], limit or sizes['train']):,} samples of " if "train" in sizes else ""
        card["Trained on"] = f"{trained_on}{data['name']}"
    if metrics.get(part):
        n = sizes.get(part)
        samples = f", measured on {n:,} {part} samples" if n else f", measured on the {part} set"
        card["Quality"] = format_scores(metrics[part], n) + samples
    if updated := read_status(run).get("updated"):
        card["Trained until"] = str(updated)[:10]
    if settings is not None:
        card["Command"] = command(_without_folders(settings))
    return card


def _without_folders(settings: RunSettings) -> RunSettings:
    """Return the settings with the names of files and folders instead of their paths."""
    paths = ("data", "model", "corrections", "from_run")
    names: dict[str, Any] = {name: Path(path).name for name in paths if (path := getattr(settings, name))}
    return dataclasses.replace(settings, **names, data_dir=None)
