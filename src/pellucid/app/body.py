"""What a request may say: a JSON object with known fields, each checked as it is taken.

Handlers are plain functions from a :class:`Body` to what is answered as JSON. They run in threads, so a slow one holds nobody
up. A library error becomes ``{"error": "…"}`` with status 400, an unknown network or job 404.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pellucid.core.memory import Array
from pellucid.data.drawings.rendering import NORMALIZATIONS, strokes
from pellucid.errors import ConfigError, DataError, PellucidError, did_you_mean
from pellucid.runs.folder import plain

REQUIRED: Any = object()


class Missing(PellucidError):
    """Something asked for by name is not there."""


class Body:
    """The fields of a request. Each method takes one, checks it, and raises DataError or ConfigError where it is wrong."""

    def __init__(self, fields: dict[str, Any]):
        self.fields = fields

    def _field(self, name: str, default: Any) -> Any:
        value = self.fields.get(name, default)
        if value is REQUIRED:
            raise DataError(f"the request says nothing of {name!r}")
        return value

    def strokes(self) -> list[Array]:
        """The drawing: arrays (n, 2)."""
        return strokes(self._field("strokes", REQUIRED))

    def normalization(self) -> str:
        """How the drawing becomes a picture."""
        return self.text("normalization", NORMALIZATIONS, "mass")

    def canvas(self) -> tuple[float, float] | None:
        """The size of the paper that was drawn on, if it is said."""
        value = self._field("canvas", None)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != 2 or not all(_is_number(one) and 0 < one <= 1e5 for one in value):
            raise DataError("canvas: a width and a height")
        return float(value[0]), float(value[1])

    def text(self, name: str, choices: Iterable[str] | None = None, default: Any = REQUIRED) -> Any:
        """A string, one of the ``choices`` if there are any."""
        value = self._field(name, default)
        if value is default and default is not REQUIRED:
            return value
        if not isinstance(value, str) or len(value) > 1000:
            raise DataError(f"{name} must be a string of at most 1,000 characters")
        if choices is not None and value not in (known := list(choices)):
            raise ConfigError(f"there is no {name} {value!r}: {did_you_mean(value, known)}")
        return value

    def texts(self, name: str, most: int, default: Any = REQUIRED) -> Any:
        """A list of at most so many strings."""
        value = self._field(name, default)
        if value is default and default is not REQUIRED:
            return value
        if not isinstance(value, list) or len(value) > most or not all(isinstance(one, str) for one in value):
            raise DataError(f"{name} must be a list of at most {most} strings")
        return value

    def whole(self, name: str, low: int, high: int, default: Any = REQUIRED) -> Any:
        """A whole number from ``low`` to ``high``."""
        value = self._field(name, default)
        if value is default and default is not REQUIRED:
            return value
        if not _is_number(value) or value != value // 1 or not low <= value <= high:
            raise DataError(f"{name} must be a whole number from {low} to {high}")
        return int(value)

    def number(self, name: str, low: float, high: float, default: Any = REQUIRED) -> Any:
        """A number from ``low`` to ``high``."""
        value = self._field(name, default)
        if value is default and default is not REQUIRED:
            return value
        if not _is_number(value) or not low <= value <= high:
            raise DataError(f"{name} must be a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._field(name, default)
        if not isinstance(value, bool):
            raise DataError(f"{name} must be true or false")
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def answer(path: str, handle: Callable[[Body], Any], *fields: str) -> Route:
    """A route for POST: ``handle`` is given the request's ``fields`` (no others are allowed) and gives what is answered."""

    async def endpoint(request: Request) -> Response:
        try:
            body = Body(_object(await request.body(), fields))
            return JSONResponse(plain(await run_in_threadpool(handle, body)))
        except PellucidError as error:
            return JSONResponse({"error": str(error)}, 404 if isinstance(error, Missing) else 400)

    return Route(path, endpoint, methods=["POST"])


def tell(path: str, handle: Callable[[], Any]) -> Route:
    """A route for GET: what ``handle`` gives, as JSON."""

    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(plain(await run_in_threadpool(handle)))
        except PellucidError as error:
            return JSONResponse({"error": str(error)}, 404 if isinstance(error, Missing) else 400)

    return Route(path, endpoint, methods=["GET"])


def _object(text: bytes, known: Sequence[str]) -> dict[str, Any]:
    try:
        fields = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError, too
        raise DataError("the request is no JSON object") from None
    if not isinstance(fields, dict):
        raise DataError("the request is no JSON object")
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ConfigError(f"the request has an unknown field {unknown[0][:100]!r}: {did_you_mean(unknown[0][:100], known)}")
    return fields


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
