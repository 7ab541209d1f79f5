"""The statement of a class that its methods can be recorded."""

from __future__ import annotations

from typing import Any


def records(value: Any, method: str) -> bool:
    """Return whether the class that defines a method of this layer, loss or component has the attribute ``records = True``.

    A subclass that redefines the method, and does not state it again, is not recorded.
    """
    owner = next(cls for cls in type(value).__mro__ if method in vars(cls))
    return "records" in vars(owner) and bool(value.records)
