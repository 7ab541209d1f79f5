"""The command ``pellucid`` for the campaign: slower, with a checkpoint after every few updates, and with planned faults.

``python -m tests.campaigns.command train …`` takes its plan from an environment variable. Without a plan it is the command as
it is, on the small MNIST of the tests, and without figures.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tests.campaigns.child import EVENTS, Faults, Plan
from tests.published_mnist import publish

PLAN, MNIST = "PELLUCID_TEST_PLAN", "PELLUCID_TEST_MNIST"


def install() -> None:
    """Change the library as the environment variables say."""
    sys.modules["matplotlib"] = None  # type: ignore[assignment]
    publish(Path(os.environ[MNIST]))
    if PLAN in os.environ:
        _install(Plan(**json.loads(os.environ[PLAN])))


def _install(plan: Plan) -> None:
    from pellucid.runs import run
    from pellucid.training import Checkpoint, full_batch, loop, threads

    threads.limit_threads(plan.threads)
    if plan.fault is not None:
        Faults(plan).install()
    pipe = int(os.environ.get(EVENTS, "-1"))

    def checkpoints(folder: Path) -> Checkpoint:
        return Checkpoint(folder, **plan.checkpoint)

    def slow(function: Any) -> Any:
        def call(*arguments: Any, **settings: Any) -> Any:
            result = function(*arguments, **settings)
            if pipe >= 0:
                os.write(pipe, b".")
            time.sleep(plan.pause)
            return result

        return call

    run.Checkpoint = checkpoints  # type: ignore[assignment, misc]
    loop.take_step = slow(loop.take_step)
    full_batch.Minimization.iterate = slow(full_batch.Minimization.iterate)  # type: ignore[method-assign]


if __name__ == "__main__":
    install()
    from pellucid.cli import main

    main()
