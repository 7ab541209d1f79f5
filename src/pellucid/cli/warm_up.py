"""``pellucid warm-up``: compile the kernels that presets need."""

from __future__ import annotations

import typer

from pellucid.cli.common import echo, report_errors
from pellucid.runs import first_use

ALL = "all"


@report_errors
def warm_up(
    presets: list[str] = typer.Argument(None, metavar=f"PRESET…|{ALL}", help=f"The presets.  [default: {ALL}]"),
) -> None:
    """Compile the kernels that presets need, so that their first training starts at once.

    Kernels are compiled for this processor at their first use, which takes some seconds. This command does it ahead: when the
    image of a container is built, or after an installation. The compiled code is written beside the package's files, into the
    folder that NUMBA_CACHE_DIR names, or, if the package's folder cannot be written, into the cache folder of the user.
    """
    names = presets or [ALL]
    done = first_use.warm_up(() if ALL in names else names)
    if done.library is not None:
        echo(f"prebuilt  the kernels came with the installation: {done.library}")
        return
    count = "all presets" if ALL in names else ", ".join(done.presets)
    processes = f"{done.processes} process{'es' * (done.processes != 1)}"
    echo(f"compiled  the kernels of {count}, in {done.seconds:.1f} s by {processes}")
    echo(f"cache     {done.folder}")
