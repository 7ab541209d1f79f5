"""The algorithm im2col."""

from __future__ import annotations

from benchmarks.contenders.algorithms.kernel_calls import algorithm_job
from benchmarks.contenders.pellucid import PACKAGES, describe

__all__ = ["PACKAGES", "convolve", "describe"]

convolve = algorithm_job("im2col")
