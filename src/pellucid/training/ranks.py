"""Several processes that train one model together: ranks, which exchange messages through MPI.

    with ranks.together() as group:
        model.fit(train, validation=validation, epochs=10)
    if group.rank == 0:
        model.save("model.pellucid")

``mpiexec -n 4 python program.py`` runs such a program four times. Inside the block, ``fit``, ``fit_events``,
``train_on_batch``, ``evaluate`` and ``predict`` of a model are *collective*: every rank calls them, in the same order and with
the same arguments, and each does a part of the work. Outside of it, and inside ``with ranks.alone()``, every call concerns one
process only. In a process that no MPI launcher has started, the block changes nothing, and mpi4py is not imported.

All ranks have the whole model. A batch is cut into consecutive parts (:mod:`pellucid.training.parts`); what the ranks tell each
other are sums over the parts, and the outputs of the network for the scores. Every rank receives the same bits, makes the same
update and takes the same decisions, so that they need no other messages to stay together.
"""

from __future__ import annotations

import functools
import itertools
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, final

import numpy as np

from pellucid.core import launcher
from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, PellucidError
from pellucid.training import threads

T = TypeVar("T")

SMALL = 16_384  # bytes up to which every rank gets all addends: one message is faster than several shorter ones
PATIENCE = 2.0  # seconds after an error in which the other ranks may raise theirs, before all are ended
SAME_CALLS = "inside ranks.together() every rank makes the same calls, with the same data, settings and seed"
FLUSH = 0.3  # seconds that the launcher gets to pass on the last message: it discards what it has not read when all end


@final
class RankGroup:
    """The ranks that train together: this process is number ``rank`` of ``size``.

    ``resume`` is the command that continues the training, for the message when a rank fails. All methods are collective: every
    rank must call them in the same order. ``comm`` is an mpi4py communicator, or None for a process alone; ``errors`` is
    another one, for the ranks to find out whether all of them have failed.
    """

    def __init__(self, comm: Any = None, errors: Any = None):
        self._comm, self._errors = comm, errors
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self.resume: str | None = None

    def __repr__(self) -> str:
        return f"RankGroup(rank {self.rank} of {self.size})"

    # -- sums -----------------------------------------------------------------------------------------------------

    def all_sum(self, a: Array, widths: Sequence[int] | None = None) -> Array:
        """Return the sum of every rank's ``a`` as a new array, with the same bits on every rank.

        It is a balanced tree, ((a₀ + a₁) + (a₂ + a₃)). ``widths`` says of how many parts each rank's addend already is the sum,
        so that the tree over the parts is the same for any number of ranks (:func:`balanced_sum`).
        """
        total = np.array(a, order="C")
        self.add_up(total.reshape(-1), widths)
        return total

    def add_up(self, vector: Array, widths: Sequence[int] | None = None) -> None:
        """Replace the contiguous ``vector`` with the sum of every rank's; see :meth:`all_sum`."""
        if self.size == 1:
            return
        if vector.nbytes <= SMALL:
            rows = np.empty((self.size, vector.size), vector.dtype)
            self._comm.Allgather(_bytes(vector), _bytes(rows))
            vector[:] = balanced_sum(list(rows), widths)
        elif self.size & (self.size - 1) == 0 and len(set(widths or [1])) == 1:
            self._add_up_by_halves(vector)
        else:
            self._add_up_by_segments(vector, widths)

    def _add_up_by_halves(self, vector: Array) -> None:
        """Sum by recursive halving and doubling (Rabenseifner, 2004), for 2, 4, 8, … ranks.

        Rank r exchanges one half of its part of the vector with rank r ± 1, half of the rest with r ± 2, and so on; then it has
        a complete sum of 1/size of the vector. The same messages backwards spread the sums.
        """
        start, stop, exchanged = 0, vector.size, []
        spare = np.empty((vector.size + 1) // 2, vector.dtype)
        distance = 1
        while distance < self.size:
            other, middle = self.rank ^ distance, (start + stop) // 2
            kept, given = slice(start, middle), slice(middle, stop)
            if self.rank & distance:
                kept, given = given, kept
            received = spare[: kept.stop - kept.start]
            self._swap(vector[given], received, other)
            vector[kept] += received
            exchanged.append((other, kept, given))
            start, stop, distance = kept.start, kept.stop, 2 * distance
        for other, kept, given in reversed(exchanged):
            self._swap(vector[kept], vector[given], other)

    def _swap(self, sent: Array, received: Array, other: int) -> None:
        self._comm.Sendrecv(_bytes(sent), dest=other, recvbuf=_bytes(received), source=other)

    def _add_up_by_segments(self, vector: Array, widths: Sequence[int] | None) -> None:
        """Sum for any number of ranks: each adds up one segment of the vector, for which it gets that of all others."""
        item, bounds = vector.itemsize, [vector.size * r // self.size for r in range(self.size + 1)]
        lengths = [stop - start for start, stop in itertools.pairwise(bounds)]
        rows = np.empty((self.size, lengths[self.rank]), vector.dtype)
        sizes = [length * item for length in lengths]
        self._comm.Alltoallv([_bytes(vector), sizes], [_bytes(rows), [sizes[self.rank]] * self.size])
        own = balanced_sum(list(rows), widths)
        self._comm.Allgatherv(_bytes(own), [_bytes(vector), sizes])

    # -- other messages -------------------------------------------------------------------------------------------

    def exchange(self, arrays: Sequence[Array], shapes: Sequence[Sequence[Shape]]) -> list[list[Array]]:
        """Return the ``arrays`` of every rank, in one message.

        ``shapes[r]`` are the shapes of those of rank r, and the dtypes are the same on all. The results may share memory with
        each other.
        """
        if self.size == 1:
            return [list(arrays)]
        items = [array.itemsize for array in arrays]
        sizes = [sum(_padded(_count(shape) * item) for shape, item in zip(one, items, strict=True)) for one in shapes]
        message, received = np.empty(sizes[self.rank], np.uint8), np.empty(sum(sizes), np.uint8)
        position = 0
        for array in arrays:
            message[position : position + array.nbytes] = _bytes(np.ascontiguousarray(array))
            position += _padded(array.nbytes)
        self._comm.Allgatherv(message, [received, sizes])
        results, position = [], 0
        for one in shapes:
            own = []
            for array, shape in zip(arrays, one, strict=True):
                size = _count(shape) * array.itemsize
                own.append(received[position : position + size].view(array.dtype).reshape(shape))
                position += _padded(size)
            results.append(own)
        return results

    def share_rows(self, array: Array, bounds: Sequence[int]) -> None:
        """Fill a contiguous array: rank r has its rows from ``bounds[r]`` to ``bounds[r + 1]``, then every rank has all."""
        if self.size == 1 or not array.size:
            return
        row = array.nbytes // len(array)
        sizes = [(stop - start) * row for start, stop in itertools.pairwise(bounds)]
        own = array[bounds[self.rank] : bounds[self.rank + 1]].copy()
        self._comm.Allgatherv(_bytes(own), [_bytes(array), sizes])

    def gather(self, value: T) -> list[T]:
        """Return the ``value`` of every rank, any object that can be pickled."""
        return [value] if self.size == 1 else list(self._comm.allgather(value))

    def processes(self) -> str:
        """Return the process ids of the ranks in order, by machine, for messages: a launcher reports ids of processes."""
        by_host: dict[str, list[str]] = {}
        for host, process in self.gather((socket.gethostname(), os.getpid())):
            by_host.setdefault(host, []).append(str(process))
        return "; ".join(f"processes {', '.join(ids)} on {host}" for host, ids in by_host.items())

    def from_first(self, function: Callable[[], T]) -> T:
        """Return what ``function()`` returns on rank 0, which alone calls it. A library error is raised on every rank."""
        if self.size == 1:
            return function()
        result: Any = None
        error: PellucidError | None = None
        if self.rank == 0:
            try:
                result = function()
            except PellucidError as caught:
                error = caught
        result, error = self._comm.bcast((result, error), root=0)
        if error is not None:
            raise error
        return result

    def check_same(self, values: Mapping[str, Any], call: str, advice: str = SAME_CALLS) -> None:
        """Raise ConfigError unless the ``values`` are the same on all ranks. The other arguments are for the message."""
        if self.size == 1:
            return
        first, *others = self.gather(dict(values))
        for rank, other in enumerate(others, start=1):
            names = [name for name in first if other.get(name) != first[name]]
            if names:
                raise ConfigError(
                    f"{call}: rank {rank} has other {' and '.join(names)} than rank 0 ({other.get(names[0])} and "
                    f"{first[names[0]]}): {advice}"
                )

    # -- errors ---------------------------------------------------------------------------------------------------

    def end_all(self, error: BaseException) -> None:
        """End all ranks because this one has failed, unless every one of them fails within :data:`PATIENCE`."""
        if self.size == 1:
            return
        everyone = self._errors.Ibarrier()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if everyone.Test():
                self._print_own(error)
                return
            time.sleep(0.01)
        print(self.failure(error), file=sys.stderr, flush=True)
        time.sleep(FLUSH)
        self._comm.Abort(130 if isinstance(error, KeyboardInterrupt) else 2 if isinstance(error, PellucidError) else 1)

    def _print_own(self, error: BaseException) -> None:
        """Print an error that is not that of rank 0, which usually prints the error of all."""
        first = self._errors.bcast(repr(error), root=0)
        if repr(error) != first and not isinstance(error, KeyboardInterrupt):
            print(self.failure(error), file=sys.stderr, flush=True)

    def failure(self, error: BaseException) -> str:
        """Return the message about an error that ends all ranks, after the traceback of one that is not the library's."""
        expected = isinstance(error, (PellucidError, KeyboardInterrupt))
        before = "" if expected else "".join(traceback.format_exception(error))
        text = str(error) if isinstance(error, PellucidError) else f"{type(error).__name__}: {error}".removesuffix(": ")
        advice = "" if self.resume is None else f"; {self.resume} continues from the last checkpoint, on any number of ranks"
        return f"{before}error: rank {self.rank} of {self.size} on {socket.gethostname()}: {text}; all ranks end{advice}"


ALONE = RankGroup()
_current: ContextVar[RankGroup] = ContextVar("group", default=ALONE)


def current() -> RankGroup:
    """Return the group of the ``with`` block around the caller, in this thread; without one, a group of this process alone."""
    return _current.get()


@contextmanager
def together(resume: str | None = None) -> Iterator[RankGroup]:
    """Make the calls in a ``with`` block collective, for a process that an MPI launcher has started as one of several ranks.

    Yields the :class:`RankGroup`. Each rank uses its share of the cores of its machine. If a rank raises an error and the
    others do not, all of them are ended, with a message that names the rank and the command ``resume``. A block inside another
    one belongs to it. Raises ConfigError where mpi4py is missing, or is not for the MPI of the launcher.
    """
    outer = current()
    if outer.size > 1:
        yield outer
        return
    group = _world()
    group.resume = resume
    token = _current.set(group)
    try:
        with threads.limited(_share_of_cores(group)):
            yield group
    except BaseException as error:
        group.end_all(error)
        raise
    finally:
        _current.reset(token)


@contextmanager
def alone() -> Iterator[None]:
    """Make the calls in a ``with`` block concern this process only, also inside :func:`together`."""
    token = _current.set(ALONE)
    try:
        yield
    finally:
        _current.reset(token)


@functools.cache
def _world() -> RankGroup:
    """Return the group of all ranks that the launcher has started."""
    launch = launcher.launched()
    if launch is None:
        return ALONE
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py finds no MPI library
        raise ConfigError(
            f"this process was started as one of several ranks ({launch.variable}={launch.rank}), which needs mpi4py: "
            f"pip install 'pellucid[mpi]', or start it without mpiexec ({error})"
        ) from None
    world = MPI.COMM_WORLD
    if launch.size and world.Get_size() != launch.size:
        raise ConfigError(
            f"the launcher has started {launch.size} ranks, but mpi4py sees {world.Get_size()}: mpiexec and mpi4py belong to "
            f"different MPI libraries; mpi4py uses {MPI.Get_library_version().splitlines()[0]}; take the mpiexec of that one, "
            "such as the one beside this Python"
        )
    return RankGroup(world.Dup(), world.Dup()) if world.Get_size() > 1 else ALONE


def _share_of_cores(group: RankGroup) -> int | None:
    """Return the number of cores for this rank; None for a process alone."""
    if group.size == 1:
        return None
    own, host = threads.affinity(), socket.gethostname()
    return threads.share_of_cores(own, [mask for name, mask in group.gather((host, own)) if name == host])


def balanced_sum(rows: Sequence[Array], widths: Sequence[int] | None = None) -> Array:
    """Return the sum of arrays by a balanced tree: the sum of the first half plus that of the second. Overwrites the rows.

    With ``widths``, row i is already the sum of ``widths[i]`` leaves, a whole branch of the tree over all leaves.
    """
    if len(rows) == 1:
        return rows[0]
    widths = widths or [1] * len(rows)
    half, count, leaves = (sum(widths) + 1) // 2, 0, 0
    while leaves < half:
        leaves += widths[count]
        count += 1
    assert leaves == half, f"the rows are no branches of a tree: {widths}"
    total = balanced_sum(rows[:count], widths[:count])
    total += balanced_sum(rows[count:], widths[count:])
    return total


def _bytes(a: Array) -> Array:
    """Return the bytes of a contiguous array, as a view."""
    return a.reshape(-1).view(np.uint8)


def _count(shape: Shape) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _padded(size: int) -> int:
    """Return the number of bytes after which the next array of a message begins, aligned for any dtype."""
    return -(-size // 8) * 8
