"""How this process was started: alone, or by an MPI launcher such as mpiexec, as one of several ranks.

A launcher tells a process its rank in the environment, so this needs no MPI library.
"""

from __future__ import annotations

import os
from typing import NamedTuple

# The variables of the rank and of the number of ranks.
VARIABLES = (
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, Slurm with PMI-1 and PMI-2
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("PMIX_RANK", ""),  # PMIx, as with Slurm's srun --mpi=pmix
)


class Launch(NamedTuple):
    """The rank that a launcher has given to this process, the number of ranks (0 if unknown), and where it was read."""

    rank: int
    size: int
    variable: str


def launched() -> Launch | None:
    """Return the rank of this process; None if it was not started by an MPI launcher, or as the only rank."""
    for rank, size in VARIABLES:
        number, count = os.environ.get(rank, ""), os.environ.get(size, "0")
        if number.isdecimal() and count.isdecimal():
            return None if count == "1" else Launch(int(number), int(count), rank)
    return None


def is_first() -> bool:
    """Return whether this process prints and writes files: every process does, except the ranks above 0."""
    launch = launched()
    return launch is None or launch.rank == 0
