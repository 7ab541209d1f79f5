"""Routes that answer with JSON: the fields of a request, errors, and arrays.

A handler is a function from the fields of a request to an object that is returned as JSON. Handlers run in threads, so that a
slow one does not block the others. A library error becomes ``{"error": "…"}`` with the status 400; an unknown network, job or
session has the status 404.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pellucid.core.json_text import jsonable
from pellucid.core.memory import Array
from pellucid.data.drawings.rendering import NORMALIZATIONS, digit
from pellucid.data.drawings.strokes import check_strokes
from pellucid.errors import ConfigError, DataError, PellucidError, did_you_mean
from pellucid.kernels import using

REQUIRED: Any = object()
MAX_TEXT = 1000  # characters of a string
_WORDS = {"lr": "learning rate", "limit": "training samples", "model": "preset", "hidden": "hidden layers"}
DRAWING_FIELDS = ("strokes", "normalization", "canvas")  # of a request about a drawing


class NotFoundError(PellucidError):
    """A network, job or session with the requested name does not exist."""


class RequestFields:
    """The fields of a request. Each method returns one field, and raises DataError or ConfigError if it is not valid."""

    def __init__(self, values: dict[str, Any]):
        self.values = values

    def _get(self, name: str, default: Any) -> Any:
        value = self.values.get(name, default)
        if value is REQUIRED:
            raise DataError(f"the request has no field {name!r}")
        return value

    def strokes(self) -> list[Array]:
        """Return the strokes of the drawing: arrays (n, 2)."""
        return check_strokes(self._get("strokes", REQUIRED))

    def canvas(self) -> tuple[float, float] | None:
        """Return the width and height of the drawing pad, or None if the request does not contain them."""
        value = self._get("canvas", None)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 2 or not all(_is_number(one) and 1e-3 <= one <= 1e5 for one in value):
            raise DataError("canvas must be a list of a width and a height from 0.001 to 100,000")
        return float(value[0]), float(value[1])

    def image(self, kernels: str | None = None) -> Array:
        """Return the drawing as the networks receive it: (1, 28, 28, 1) bytes. ``kernels`` names the kernels that draw it."""
        normalization = self.text("normalization", NORMALIZATIONS, "mass")
        with using(kernels):
            return digit(self.strokes(), normalization, self.canvas())[None]

    def text(self, name: str, choices: Iterable[str] | None = None, default: Any = REQUIRED, *, limit: int = MAX_TEXT) -> Any:
        """Return a string of at most ``limit`` characters, which must be one of the ``choices`` if these are given."""
        value = self._get(name, default)
        if value is default and default is not REQUIRED:
            return value
        if not isinstance(value, str) or len(value) > limit:
            raise DataError(f"{in_words(name)} must be a string of at most {limit:,} characters")
        if choices is not None and value not in (known := list(choices)):
            raise ConfigError(f"there is no {in_words(name)} {value!r}: {did_you_mean(value, known)}")
        return value

    def texts(self, name: str, limit: int, default: Any = REQUIRED) -> Any:
        """Return a list of at most ``limit`` strings."""
        value = self._get(name, default)
        if value is default and default is not REQUIRED:
            return value
        if not isinstance(value, list) or len(value) > limit or not all(isinstance(one, str) for one in value):
            raise DataError(f"{in_words(name)} must be a list of at most {limit} strings")
        return value

    def integer(self, name: str, low: int, high: int, default: Any = REQUIRED) -> Any:
        """Return an integer from ``low`` to ``high``, both inclusive."""
        value = self._get(name, default)
        if value is default and default is not REQUIRED:
            return value
        if not _is_number(value) or value != value // 1 or not low <= value <= high:
            raise DataError(f"{in_words(name)} must be a whole number from {low:,} to {high:,}")
        return int(value)

    def number(self, name: str, low: float, high: float, default: Any = REQUIRED) -> Any:
        """Return a number from ``low`` to ``high``, both inclusive."""
        value = self._get(name, default)
        if value is default and default is not REQUIRED:
            return value
        if not _is_number(value) or not low <= value <= high:
            raise DataError(f"{in_words(name)} must be a number from {low:g} to {high:g}")
        return float(value)


def in_words(name: str) -> str:
    """Return the name of a field as the page calls it."""
    return _WORDS.get(name, name.replace("_", " "))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def post(path: str, handle: Callable[[RequestFields], Any], *fields: str) -> Route:
    """Return a route for POST requests, which may have these ``fields`` and no others."""

    async def endpoint(request: Request) -> Response:
        try:
            values = _parse(await request.body(), fields)
            return JSONResponse(jsonable(await run_in_threadpool(handle, RequestFields(values))))
        except PellucidError as error:
            return _error_response(error)
        except MemoryError:
            return _error_response(ConfigError("there is not enough memory for this: ask for less, or close other programs"))

    return Route(path, endpoint, methods=["POST"])


def get(path: str, handle: Callable[[], Any]) -> Route:
    """Return a route for GET requests."""

    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(jsonable(await run_in_threadpool(handle)))
        except PellucidError as error:
            return _error_response(error)
        except MemoryError:
            return _error_response(ConfigError("there is not enough memory for this: ask for less, or close other programs"))

    return Route(path, endpoint, methods=["GET"])


def _error_response(error: PellucidError) -> Response:
    return JSONResponse({"error": str(error)}, 404 if isinstance(error, NotFoundError) else 400)


def _parse(text: bytes, known: Sequence[str]) -> dict[str, Any]:
    try:
        fields = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise DataError("the request is not a JSON object") from None
    if not isinstance(fields, dict):
        raise DataError("the request is not a JSON object")
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ConfigError(f"the request has an unknown field {unknown[0][:100]!r}: {did_you_mean(unknown[0][:100], known)}")
    return fields


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def pack(values: Array) -> str:
    """Return an array as the page reads it: base64 of uint8, or of little-endian float32 for every other type."""
    return base64.b64encode(values.astype(values.dtype if values.dtype == np.uint8 else "<f4").tobytes()).decode()
