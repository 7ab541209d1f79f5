"""Data: sets of samples, where they come from, and how they are read."""

from pellucid.data.dataset import Dataset, Splits
from pellucid.data.idx import read_idx, write_idx
from pellucid.data.pictures import read_picture
from pellucid.data.sources import fashion_mnist, load, mnist

__all__ = ["Dataset", "Splits", "fashion_mnist", "load", "mnist", "read_idx", "read_picture", "write_idx"]
