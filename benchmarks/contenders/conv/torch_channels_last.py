"""PyTorch, eager, with channels last in memory, which its documentation recommends for convolutions."""

from __future__ import annotations

from functools import partial

import torch

from benchmarks.contenders.conv import torch as default
from benchmarks.contenders.torch import PACKAGES, describe

__all__ = ["PACKAGES", "conv_memory", "describe", "predict", "step"]

step = partial(default.step, layout=torch.channels_last)
predict = partial(default.predict, layout=torch.channels_last)
conv_memory = partial(default.conv_memory, layout=torch.channels_last)
