"""Training with the augmentation ``affine``."""

from __future__ import annotations

from benchmarks.contenders.augmentation.epochs import job
from benchmarks.contenders.pellucid import PACKAGES, describe

__all__ = ["PACKAGES", "cnn", "describe"]

cnn = job("affine")
