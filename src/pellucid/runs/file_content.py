"""The JSON files of a run, checked when they are read: damaged or edited ones are refused by name, not by a later error."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core.files import read_json
from pellucid.errors import FileError


@dataclass(frozen=True)
class _Kind:
    """What a value must be, or null: a text, or with a ``low`` and a ``high`` bound a number."""

    words: str
    low: float | None = None
    high: float = 0.0
    integer: bool = False

    def fits(self, value: Any) -> bool:
        if value is None or self.low is None:
            return value is None or isinstance(value, str)
        is_number = isinstance(value, int if self.integer else (int, float)) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high


_TEXT, _FRACTION, _COUNT = _Kind("a text"), _Kind("a number from 0 to 1", 0, 1), _Kind("a whole number", 0, 2**63, True)
_NUMBER = _Kind("a finite number", -sys.float_info.max, sys.float_info.max)
# Those values that other commands use.
_SCORES = {"accuracy": _FRACTION, "loss": _NUMBER}
_SIZES = dict.fromkeys(("train", "validation", "test"), _COUNT)
_DATA = {**dict.fromkeys(("name", "requested", "sha256"), _TEXT), "split_seed": _COUNT, "sizes": _SIZES}
_ENERGY = {"how": _TEXT, "source": _TEXT, "joules": _NUMBER, "low": _NUMBER, "high": _NUMBER}
_CONFIG: Mapping[str, Any] = {"preset": _TEXT, "data": _DATA}
_METRICS: Mapping[str, Any] = {
    **dict.fromkeys(("parameters", "multiply_adds", "epochs"), _COUNT),
    **dict.fromkeys(("test", "validation", "train"), _SCORES),
    "seconds": _NUMBER,
    "data": _DATA,
    "energy": _ENERGY,
    "settings": {},
}


def read_config(file: Path) -> dict[str, Any]:
    """Return the content of a config.json. Raises FileError if it is damaged."""
    config: dict[str, Any] = read_json(file)
    _check(file, config, _CONFIG)
    return config


def read_metrics(file: Path) -> dict[str, Any]:
    """Return the content of a metrics.json. Raises FileError if it is damaged."""
    metrics: dict[str, Any] = read_json(file)
    _check(file, metrics, _METRICS)
    if (energy := metrics.get("energy")) and None in (energy.get(name) for name in _ENERGY):
        raise FileError(f"{file} is damaged: energy must have {', '.join(_ENERGY)}")
    return metrics


def _check(file: Path, content: Any, kinds: Mapping[str, Any], where: str = "") -> None:
    """Raise FileError unless the values in the JSON object ``content`` are of these kinds; any of them may be absent."""
    if not isinstance(content, dict):
        raise FileError(f"{file} is damaged: {where or 'its content'} must be an object with names, got {str(content)[:60]}")
    for name, kind in kinds.items():
        if name not in content:
            continue
        value, place = content[name], f"{where}.{name}" if where else name
        if not isinstance(kind, _Kind):
            _check(file, value, kind, place)
        elif not kind.fits(value):
            raise FileError(f"{file} is damaged: {place} must be {kind.words}, got {str(value)[:60]}")
