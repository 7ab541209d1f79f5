"""A program: the network as one readable Python file that needs NumPy alone."""

from pellucid.export.program.file import to_numpy
from pellucid.export.program.text import program

__all__ = ["program", "to_numpy"]
