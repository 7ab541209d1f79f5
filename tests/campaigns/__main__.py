"""The campaigns of kills, faults and damage, as a command: ``python -m tests.campaigns --help``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.campaigns.damage import damaged
from tests.campaigns.kills import campaign
from tests.campaigns.run_kills import RUNS, run_campaign, sweep_campaign
from tests.campaigns.trainings import TRAININGS


def show(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description=__doc__)
    parser.add_argument("--kills", type=int, default=0, help="interruptions of trainings in Python")
    parser.add_argument("--runs", type=int, default=0, help="interruptions of pellucid train and pellucid resume")
    parser.add_argument("--sweeps", type=int, default=0, help="kills of pellucid sweep")
    parser.add_argument("--damaged", type=int, default=0, help="damaged checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at the same time")
    parser.add_argument("--folder", type=Path, default=None, help="a new folder, which keeps the files of what fails")
    parser.add_argument("names", nargs="*", help=f"for --kills: {', '.join(TRAININGS)}; for --runs: {', '.join(RUNS)}")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="campaigns-"))
    common = {"names": given.names or None, "jobs": given.jobs, "show": show}
    begun = time.monotonic()
    if given.damaged:
        (folder / "damaged").mkdir(parents=True)
        for name, times in damaged(given.damaged, given.seed, folder / "damaged", show=show).most_common():
            show(f"  {times:4}  {name}")
    if given.kills:
        show(campaign(given.kills, given.seed, folder / "kills", **common).table())
    if given.runs:
        show(run_campaign(given.runs, given.seed, folder / "runs", **common).table())
    if given.sweeps:
        show(sweep_campaign(given.sweeps, given.seed, folder / "sweeps", show=show).table())
    show(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
