"""Check an installed wheel with prebuilt kernels: ``python tests/installs/prebuilt.py``.

Small networks are trained with the library, without Numba. Where Numba is installed, they are then trained with kernels that it
compiles for the same kind of processor, and the predictions must have the same bits. Exits with what is wrong.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

PRESETS = {"mlp": (28, 28, 1), "cnn": (28, 28, 1), "lstm": (28, 28), "table": (20,)}
ROWS, BATCH = 70, 32


def train() -> dict[str, str]:
    """Return a hash of the predictions of each network, and the name of the library."""
    import numpy as np

    from pellucid import CrossEntropy
    from pellucid.kernels import prebuilt
    from pellucid.runs.presets import PRESETS as RECIPES

    library = prebuilt.library()
    found = {"library": library.path.stem if library else "none"}
    for name, shape in PRESETS.items():
        rng = np.random.default_rng(0)
        x, y = rng.random((ROWS, *shape), dtype=np.float32), rng.integers(0, 10, ROWS)
        model = RECIPES[name].network(10).compile(shape, CrossEntropy(), RECIPES[name].optimizer, seed=0)
        model.fit(x, y, epochs=1, batch_size=BATCH)
        predictions = np.ascontiguousarray(model.predict(x))
        if not np.isfinite(predictions).all():
            sys.exit(f"{name}: predictions that are not finite")
        found[name] = hashlib.sha256(predictions.tobytes()).hexdigest()[:16]
    found["Numba"] = str("numba" in sys.modules)
    return found


def trained(**settings: str) -> dict[str, str]:
    """Return what :func:`train` finds in a process of its own, in which warnings are errors."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "PELLUCID_"))}
    command = [sys.executable, "-W", "error", __file__, "train"]
    done = subprocess.run(command, env=plain | settings, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    print(found, flush=True)
    return found


def main() -> None:
    """Compare the two."""
    one = trained()
    if one.pop("library") == "none" or one.pop("Numba") == "True":
        sys.exit("the prebuilt library is not used")
    if importlib.util.find_spec("numba") is None:
        print("Numba is not installed: nothing to compare with")
        return
    from pellucid.kernels import prebuilt
    from pellucid.kernels.build import compiler_settings

    library = prebuilt.library()
    assert library is not None
    with tempfile.TemporaryDirectory() as cache:
        other = trained(**compiler_settings(library.path.stem), NUMBA_CACHE_DIR=cache)
    if other.pop("library") != "none" or other.pop("Numba") != "True":
        sys.exit("Numba has not compiled the kernels")
    if one != other:
        sys.exit("the bits are not those of Numba")


if __name__ == "__main__":
    if sys.argv[1:] == ["train"]:
        print(json.dumps(train()))
    else:
        main()
