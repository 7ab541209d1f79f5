"""PyTorch, eager, with channels last in memory."""

from __future__ import annotations

import torch

from benchmarks.trainers.torch import main

if __name__ == "__main__":
    main(torch.channels_last)
