"""Statements of a class about its methods, such as ``records = True``."""

from __future__ import annotations

from typing import Any


def records(value: Any, method: str) -> bool:
    """Return whether the class that defines a method of this layer, loss or component states that it can be recorded."""
    return states(value, "records", method)


def states(value: Any, statement: str, method: str) -> bool:
    """Return whether the class that defines a method has the attribute ``statement``, and whether that is true.

    A subclass that redefines the method, and does not state it again, does not state it.
    """
    owner = next(cls for cls in type(value).__mro__ if method in vars(cls))
    return statement in vars(owner) and bool(getattr(value, statement))
