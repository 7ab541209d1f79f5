"""Work in several processes at once, here or on a cluster: joblib's, whose interruption is quiet."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from pellucid.errors import ConfigError
from pellucid.training import shards

T = TypeVar("T")


def worthwhile() -> int:
    """How many processes are worth it here: as many as there are cores; one, where joblib is missing."""
    return shards.cores() if importlib.util.find_spec("joblib") else 1


def unordered(
    function: Callable[..., T], arguments: Iterable[tuple[Any, ...]], at_once: int | None = None, backend: str = "loky"
) -> Iterator[T]:
    """Yields what ``function`` returns for each of the arguments, in the order in which it is there. So many are ``at_once`` at
    work; None leaves that to the ``backend``. Raises ConfigError where joblib is missing."""
    try:
        import joblib
    except ImportError:
        raise ConfigError("several processes need joblib: pip install 'pellucid[sweep]'") from None
    jobs = {} if at_once is None else {"n_jobs": at_once}
    with warnings.catch_warnings(), joblib.parallel_config(backend=backend):
        warnings.filterwarnings("ignore", r"\d+ tasks which were still being processed", UserWarning)  # after Ctrl-C
        parallel = joblib.Parallel(**jobs, return_as="generator_unordered", pre_dispatch="all", batch_size=1)
        yield from parallel(joblib.delayed(function)(*one) for one in arguments)
