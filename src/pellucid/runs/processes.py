"""Work in several processes at once, here or on a cluster: joblib's, whose interruption is quiet."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from pellucid.errors import ConfigError
from pellucid.training import shards

T = TypeVar("T")


def possible() -> bool:
    """Whether joblib is there, which makes the processes."""
    return importlib.util.find_spec("joblib") is not None


def required() -> None:
    """Raises ConfigError where joblib is missing."""
    if not possible():
        raise ConfigError("several processes are joblib's work, which is missing: pip install 'pellucid[sweep]'")


def worthwhile() -> int:
    """How many processes are worth it here: as many as there are cores, if there can be several."""
    return shards.cores() if possible() else 1


def unordered(
    function: Callable[..., T], arguments: Iterable[tuple[Any, ...]], at_once: int | None = None, backend: str = "loky"
) -> Generator[T, None, None]:
    """Yields what ``function`` returns for each of the arguments, in the order in which it is there. So many are ``at_once`` at
    work; None leaves that to the ``backend``. Work begins when the first value is asked for, and ends when the generator is
    closed: have that done by ``contextlib.closing``, or it goes on behind an error. Raises ConfigError without joblib."""
    required()
    import joblib

    count = {"pre_dispatch": "all"} if at_once is None else {"n_jobs": at_once, "pre_dispatch": 2 * at_once}
    with joblib.parallel_config(backend=backend):
        work = joblib.Parallel(**count, return_as="generator_unordered", batch_size=1)(
            joblib.delayed(function)(*one) for one in arguments
        )
    try:
        for one in work:  # noqa: UP028  # "yield from" would close it before the warnings are silent
            yield one
    finally:
        with warnings.catch_warnings():  # who interrupts need not be told that tasks were cancelled
            warnings.filterwarnings("ignore", r"\d+ tasks", UserWarning)
            work.close()
