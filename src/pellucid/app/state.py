"""What the server works with: the networks, the corrections, and the training jobs."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.app.networks import Networks
from pellucid.app.tabs.train_queue import TrainingQueue
from pellucid.app.texts import TextNetworks
from pellucid.data.drawings.corrections import Corrections
from pellucid.errors import PellucidError

# Seconds in which the fastest kernels do not start yet, so that they do not delay the first answer, and those after it.
FIRST_ANSWER, PAUSE = 3.0, 0.5


@dataclass
class AppState:
    """What all routes use: the networks, the folder for new runs, the corrections, and the folder of the data sets.

    With ``load_runs``, the networks of the folder ``runs`` are loaded after the server has started; if none of them reads
    digits, the two networks for drawings that are part of the package. A training of two such networks that was interrupted
    goes on.
    """

    networks: Networks
    runs: Path
    corrections: Corrections
    data_dir: Path | None = None
    load_runs: bool = False
    learning: threading.Lock = field(default_factory=threading.Lock)  # held while networks learn corrections
    texts: TextNetworks = field(default_factory=TextNetworks)
    jobs: TrainingQueue = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = TrainingQueue(self.networks, self.runs, self.data_dir)
        if self.load_runs:
            self.texts = TextNetworks(self.runs)
            self.networks.kernels = "reference"  # until it is known whether there are runs

    def load(self) -> None:
        """Load the networks, and predict once with each."""
        try:
            if self.load_runs:
                self.networks.add_newest(self.runs)
                if not len(self.networks):
                    self.networks.add_pair()
                self.jobs.resume_pair()
        except PellucidError as error:
            print(f"cannot load or train networks: {error}", file=sys.stderr)
        finally:
            self.networks.loaded.set()
        pair = any(network.of_package for network in self.networks.select(None))
        if pair and self.networks.answered.wait(FIRST_ANSWER):
            time.sleep(PAUSE)  # the answer is not sent yet
        self.networks.warm_up()
