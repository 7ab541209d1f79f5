"""Parallel processes, on this machine or on a cluster, made by joblib."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from pellucid.errors import ConfigError
from pellucid.training import threads

T = TypeVar("T")


def available() -> bool:
    """Return whether joblib, which makes the processes, is installed."""
    return importlib.util.find_spec("joblib") is not None


def require_joblib() -> None:
    """Raise ConfigError unless joblib is installed."""
    if not available():
        raise ConfigError("parallel processes need joblib: pip install 'pellucid[sweep]'")


def default_jobs() -> int:
    """Return the number of processes to use by default: one for each core, or 1 without joblib."""
    return threads.available_cores() if available() else 1


def map_unordered(
    function: Callable[..., T],
    arguments: Iterable[tuple[Any, ...]],
    jobs: int | None = None,
    backend: str = "loky",
    *,
    ahead: bool = True,
) -> Generator[T, None, None]:
    """Call ``function`` with each of the ``arguments`` in parallel, and yield the results in the order of completion.

    ``jobs`` calls run at the same time; None leaves their number to the ``backend``. The arguments of a call are requested when
    it can soon start; without ``ahead``, when it can start at once (unless ``jobs`` is None). The first call starts when the
    first result is requested. Closing the generator cancels the calls that have not started, so use ``contextlib.closing``:
    without it, they continue after an exception. Raises ConfigError without joblib.
    """
    require_joblib()
    import joblib

    count = {"pre_dispatch": "all"} if jobs is None else {"n_jobs": jobs, "pre_dispatch": (1 + ahead) * jobs}
    with joblib.parallel_config(backend=backend):
        results = joblib.Parallel(**count, return_as="generator_unordered", batch_size=1)(
            joblib.delayed(function)(*one) for one in arguments
        )
    try:
        for result in results:  # noqa: UP028  # "yield from" would close it before the warnings are filtered
            yield result
    finally:
        with warnings.catch_warnings():  # joblib warns that tasks were cancelled; that is the purpose of closing
            warnings.filterwarnings("ignore", r"\d+ tasks", UserWarning)
            results.close()
