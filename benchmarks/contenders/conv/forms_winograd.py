"""The form winograd, by itself."""

from __future__ import annotations

from benchmarks.contenders.conv import forms
from benchmarks.contenders.pellucid import PACKAGES, describe

__all__ = ["PACKAGES", "convolve", "describe"]

convolve = forms.job("winograd")
