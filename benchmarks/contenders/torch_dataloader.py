"""PyTorch, eager, with its ``DataLoader``, as in its tutorials.

Without worker processes: for samples in memory they cost more than they save.
"""

from __future__ import annotations

from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contenders.torch import PACKAGES, describe, epoch_job, training_images
from benchmarks.jobs import Job

__all__ = ["PACKAGES", "describe", "epoch"]


def epoch(data_dir: str | None, samples: int, batch: int) -> Job:
    """Return a job of one epoch over a TensorDataset of floats, shuffled by the loader."""
    loader = DataLoader(TensorDataset(*training_images(data_dir, samples)), batch_size=batch, shuffle=True)
    return epoch_job(lambda: loader, "DataLoader, eager")
