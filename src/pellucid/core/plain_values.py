"""Plain values with arrays, as JSON and named arrays for a file: numbers, strings, None, arrays, and lists, tuples and
dictionaries of them.

The values that are read are those that were written, to the last bit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError

_SURROGATES = re.compile("[\ud800-\udfff]")  # in names of files that are not UTF-8; no JSON text holds them
_FLOATS = (np.dtype("<f4"), np.dtype("<f8"))  # what a file stores as it is


def packed(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """Return the JSON form of ``value``, and put its arrays into ``arrays``, by names that begin with ``name``.

    Raises ConfigError for other values, such as sets, objects, and subclasses of these types, which would come back as
    something else; the message gives their place.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return {"text": value.encode("utf-32-le", "surrogatepass").hex()} if _SURROGATES.search(value) else value
    if isinstance(value, np.generic):
        value = value.item()
        return packed(value, name, arrays) if isinstance(value, (bool, int, float, str)) else _refused(value, name)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) in (np.ndarray, np.memmap):
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            return _refused(value, name)
        kind = value.dtype.newbyteorder("<")
        # Bits of integers are stored in the place of those of numbers: no value is rounded.
        wide = kind if kind in _FLOATS else np.dtype("<u8" if kind.kind == "u" else "<f8" if kind.kind == "f" else "<i8")
        array = np.array(value, dtype=wide, order="C")
        arrays[name] = array if wide in _FLOATS else array.reshape(-1).view(np.float64)
        return {"array": name, "dtype": kind.str, "shape": list(value.shape)}
    if type(value) in (list, tuple):
        items = [packed(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]
        return items if type(value) is list else {"tuple": items}
    if type(value) is dict:
        pairs = []
        for i, (key, item) in enumerate(value.items()):
            if not isinstance(key, (str, int)):
                return _refused(key, name)
            part = key if isinstance(key, str) and key.isidentifier() else str(i)
            pairs.append([packed(key, name, arrays), packed(item, f"{name}.{part}", arrays)])
        return {"pairs": pairs}
    return _refused(value, name)


def unpacked(data: Any, arrays: Mapping[str, Array]) -> Any:
    """Return the value whose JSON form is ``data``, with the arrays of the file. The inverse of :func:`packed`.

    Raises KeyError, TypeError or ValueError for data of another form.
    """
    if isinstance(data, list):
        return [unpacked(item, arrays) for item in data]
    if not isinstance(data, dict):
        return data
    if "float" in data:
        return float(data["float"])
    if "tuple" in data:
        return tuple(unpacked(item, arrays) for item in data["tuple"])
    if "pairs" in data:
        return {unpacked(key, arrays): unpacked(item, arrays) for key, item in data["pairs"]}
    if "text" in data:
        return bytes.fromhex(data["text"]).decode("utf-32-le", "surrogatepass")
    array, kind = arrays[data["array"]], np.dtype(data["dtype"])
    if kind.kind not in "biuf":
        raise ValueError(f"an array of the type {kind}")
    if kind.kind != "f":
        array = array.reshape(-1).view(np.uint64 if kind.kind == "u" else np.int64)
    return array.astype(kind).reshape(data["shape"])


def fits(value: Any, like: Any) -> bool:
    """Return whether a value that was read from a file is of the kind of ``like``, the value that a program would begin with.

    Numbers are numbers, and integers where ``like`` is one; arrays have the same shape and dtype, dictionaries have
    these keys, with values that fit. Lists may have any content, and in the place of None is anything.
    """
    if like is None:
        return True
    if isinstance(like, np.ndarray):
        return isinstance(value, np.ndarray) and (value.shape, value.dtype) == (like.shape, like.dtype)
    if isinstance(like, Mapping):
        same = isinstance(value, Mapping) and set(like) <= set(value)
        return same and all(fits(value[name], one) for name, one in like.items())
    if isinstance(like, (bool, np.bool_)):
        return isinstance(value, bool)
    if isinstance(like, (int, np.integer)):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(like, (float, np.floating)):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, (list, tuple) if isinstance(like, (list, tuple)) else type(like))


def _refused(value: Any, name: str) -> Any:
    raise ConfigError(
        f"a checkpoint cannot hold {name}, which is of the type {type(value).__name__}: keep numbers, strings, arrays, "
        "or lists and dictionaries of them"
    )
