"""Results as JSON: NumPy arrays and numbers become plain values, NaN and infinity become null."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def json_text(data: Any) -> str:
    """Return ``data`` as JSON text, indented for human readers, with a newline at the end."""
    return json.dumps(jsonable(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def jsonable(data: Any) -> Any:
    """Return ``data`` as plain JSON values: arrays and tuples become lists, NaN and infinity become None."""
    if isinstance(data, Mapping):
        return {str(name): jsonable(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [jsonable(item) for item in data]
    if isinstance(data, np.ndarray):
        return jsonable(data.tolist())
    if isinstance(data, (float, np.floating)):
        return float(data) if np.isfinite(data) else None
    return data.item() if isinstance(data, np.integer) else data
