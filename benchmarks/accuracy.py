"""The accuracy of the presets on the full MNIST, over several seeds: ``python -m benchmarks.accuracy mlp --seeds 5``.

Each run is the command ``pellucid train`` in a process of its own. Recipes were chosen on validation data; each run uses
the test set once, at its end. The output is one JSON line per run, and a Markdown table of medians with their ranges.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.environment import child_environment

PRESETS = ("mlp", "mlp-small", "mlp-d8", "mlp-best", "mlp-affine", "lenet5", "cnn-fast", "cnn", "cnn-best")


def train(preset: str, seed: int, flags: list[str]) -> dict[str, Any]:
    """Train a preset and return the metrics.json of the run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        code = "from pellucid.cli import main; main()"
        command = [sys.executable, "-c", code, "train", "mnist", "--model", preset, "--seed", str(seed), "--out", str(out)]
        subprocess.run([*command, "--quiet", *flags], check=True, env=child_environment())
        metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    if metrics["data"]["name"] != "mnist":
        raise SystemExit("the full MNIST was not found, and other data would not be comparable; use --data-dir")
    return metrics


def row(preset: str, runs: list[dict[str, Any]]) -> str:
    """Return a line of the table: medians, with ranges in brackets."""

    def summary(values: list[float], form: str) -> str:
        return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"

    cells = [preset, f"{runs[0]['parameters']:,}", str(len(runs))]
    cells.append(summary([100 * run["test"]["accuracy"] for run in runs], ".2f"))
    cells.append(summary([run["test"]["loss"] for run in runs], ".4f"))
    cells.append(summary([100 * run["validation"]["accuracy"] for run in runs], ".2f"))
    cells.append(f"{statistics.median(run['validation']['loss'] for run in runs):.4f}")
    cells.append(f"{statistics.median(100 * run['train']['accuracy'] for run in runs):.2f}")
    cells.append(f"{statistics.median(run['seconds'] for run in runs):.0f}")
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| preset | parameters | seeds | test accuracy (%) | test loss | validation accuracy (%) | validation loss "
    "| training accuracy (%) | seconds |\n|" + 9 * "---|"
)


def main() -> None:
    """Train all presets and seeds, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.split("\n\n")[0])
    parser.add_argument("presets", nargs="*", metavar="PRESET", help=f"presets to train (default: {', '.join(PRESETS)})")
    parser.add_argument("--seeds", type=int, default=5, help="the number of seeds, from 0 (default: 5)")
    parser.add_argument("--data-dir", type=Path, help="the folder with the files of MNIST")
    parser.add_argument("--flags", default="", help='further options of pellucid train, such as "--optimizer adam"')
    arguments = parser.parse_args()
    flags = arguments.flags.split() + (["--data-dir", str(arguments.data_dir.resolve())] if arguments.data_dir else [])
    table = []
    for preset in arguments.presets or PRESETS:
        runs = []
        for seed in range(arguments.seeds):
            runs.append(train(preset, seed, flags))
            shown = {f"{part} {what}": runs[-1][part][what] for part in ("validation", "test") for what in ("accuracy", "loss")}
            line = {"preset": preset, "seed": seed, "seconds": runs[-1]["seconds"], **shown}
            print(json.dumps(line), file=sys.stderr, flush=True)
        table.append(row(preset, runs))
    print("\n".join([HEAD, *table]))


if __name__ == "__main__":
    main()
