"""Write the model files of this version of Pellucid, with what they predict: ``python -m tests.model.files.make``.

Run this once for each released version, with the code of that version. It makes the folder
``tests/model/files/0.1`` for version 0.1.0:

- ``NAME.pellucid``: the model file of a case (``cases.py``);
- ``arrays.npz``: for each case, samples ``NAME/x``, targets ``NAME/y`` and predictions ``NAME/predicted``; with several inputs
  or outputs, ``NAME/x/left`` and so on;
- ``evaluated.json``: for each case with a loss, what ``evaluate`` returns;
- ``checkpoints``: a folder with the checkpoint in the middle of a training, whose end is ``checkpoints/predicted``.

The files are never changed: ``tests/model/test_old_files.py`` checks that each later version loads them, predicts the same
numbers and trains on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import __version__
from pellucid.core.json_text import json_text
from pellucid.training.checkpoint import checkpoint_files
from tests.model.files.cases import cases, checkpointed

FOLDER = Path(__file__).parent
EPOCHS, MIDDLE = 4, "10.pellucid"  # of the training with checkpoints, and the end of the name of the one that is kept


def flat(name: str, value: Any) -> dict[str, Any]:
    """Return an array, or a dictionary of arrays, by names of one level."""
    return {f"{name}/{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}


def make(folder: Path) -> None:
    """Write the files into a new folder."""
    folder.mkdir()
    stored: dict[str, Any] = {}
    evaluated: dict[str, Any] = {}
    for name, case in cases():
        case.model.save(folder / f"{name}.pellucid", training_state=case.training_state)
        stored |= flat(f"{name}/x", case.x) | flat(f"{name}/predicted", case.model.predict(case.x))
        if case.has_loss:
            stored |= flat(f"{name}/y", case.y)
            evaluated[name] = dict(case.model.evaluate(case.x, case.y))
    whole = checkpointed(folder / "checkpoints", EPOCHS)
    for path in checkpoint_files(folder / "checkpoints"):
        if not path.name.endswith(MIDDLE):
            path.unlink()
    stored |= {"checkpoints/predicted": whole.model.predict(whole.x)}
    np.savez_compressed(folder / "arrays.npz", **stored)
    (folder / "evaluated.json").write_text(json_text(evaluated), encoding="utf-8")


if __name__ == "__main__":
    target = FOLDER / __version__.rpartition(".")[0]
    if target.exists():
        sys.exit(f"{target} exists: the files of a version are written once")
    make(target)
    sizes = [path.stat().st_size for path in target.iterdir()]
    print(json.dumps({"folder": str(target), "files": len(sizes), "bytes": sum(sizes)}))
