"""The JSON files of a run, checked when they are read: damaged or edited ones are refused by name, not by a later error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core.files import read_json
from pellucid.doctor.finding import Finding
from pellucid.errors import FileError


@dataclass(frozen=True)
class _Kind:
    """What a value must be, or null: in words, and the test of it."""

    words: str
    test: Callable[[Any], bool]

    def fits(self, value: Any) -> bool:
        return value is None or self.test(value)


def _numbers(words: str, low: float, high: float, kinds: Any = (int, float)) -> _Kind:
    return _Kind(words, lambda value: isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high)


_TEXT = _Kind("a text", lambda value: isinstance(value, str))
_COUNT, _INTEGER = _numbers("a whole number", 0, 2**63, int), _numbers("an integer", -(2**63), 2**63, int)
_FRACTION = _numbers("a number from 0 to 1", 0, 1)
_NUMBER = _numbers("a finite number", -sys.float_info.max, sys.float_info.max)
_OBJECTS = _Kind("a list of objects", lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value))
# Those values that other commands use.
_SCORES = {"accuracy": _FRACTION, "loss": _NUMBER}
_SIZES = dict.fromkeys(("train", "validation", "test"), _COUNT)
_DATA = {**dict.fromkeys(("name", "requested", "sha256"), _TEXT), "split_seed": _COUNT, "limit": _COUNT, "sizes": _SIZES}
_ENERGY = {"how": _TEXT, "source": _TEXT, "joules": _NUMBER, "low": _NUMBER, "high": _NUMBER}
_FINDING = {
    **dict.fromkeys(("kind", "where", "text", "advice"), _TEXT),
    **dict.fromkeys(("figure", "threshold"), _NUMBER),
    "since": _COUNT,
}
_CONFIG: Mapping[str, Any] = {"preset": _TEXT, "data": _DATA, "fit": {"policies": _OBJECTS}, "seed": _INTEGER}
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


def read_findings(file: Path) -> list[Finding]:
    """Return the findings in a findings.json. Raises FileError if it is damaged."""
    content = read_json(file)
    if not _OBJECTS.test(content):
        raise FileError(f"{file} does not contain findings: a list of them was expected")
    for one in content:
        _check(file, one, _FINDING)
    try:
        return [Finding(**{**one, "samples": tuple(one["samples"])}) for one in content]
    except (TypeError, KeyError) as error:
        raise FileError(f"{file} does not contain findings: {error}") from None


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
