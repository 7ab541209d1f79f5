"""What the presets reach on the full MNIST, over several seeds: ``python -m benchmarks.accuracy mlp --seeds 5``.

Each run is the command ``pellucid train`` in a process of its own. Recipes were chosen on validation data; the test set is
looked at once a run, at its end. Results are one JSON line a run and a Markdown table of medians with their range.
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
    """The metrics.json of one run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        code = "from pellucid.cli import main; main()"
        command = [sys.executable, "-c", code, "train", "mnist", "--model", preset, "--seed", str(seed), "--out", str(out)]
        subprocess.run([*command, "--quiet", *flags], check=True, env=child_environment())
        metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    if metrics["data"]["name"] != "mnist":
        raise SystemExit("the full MNIST was not found: these figures would not compare; use --data-dir")
    return metrics


def row(preset: str, runs: list[dict[str, Any]]) -> str:
    """One line of the table: medians, ranges in brackets."""

    def middle(values: list[float], form: str) -> str:
        return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"

    cells = [preset, f"{runs[0]['parameters']:,}", str(len(runs))]
    cells.append(middle([100 * run["test"]["accuracy"] for run in runs], ".2f"))
    cells.append(middle([run["test"]["loss"] for run in runs], ".4f"))
    cells.append(middle([100 * run["validation"]["accuracy"] for run in runs], ".2f"))
    cells.append(f"{statistics.median(run['validation']['loss'] for run in runs):.4f}")
    cells.append(f"{statistics.median(100 * run['train']['accuracy'] for run in runs):.2f}")
    cells.append(f"{statistics.median(run['seconds'] for run in runs):.0f}")
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| preset | parameters | seeds | test accuracy (%) | test loss | validation accuracy (%) | validation loss "
    "| training accuracy (%) | seconds |\n|" + 9 * "---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.split("\n\n")[0])
    parser.add_argument("presets", nargs="*", metavar="PRESET", help=f"presets to train (all of {', '.join(PRESETS)})")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0 (5)")
    parser.add_argument("--data-dir", type=Path, help="the folder with MNIST's files")
    parser.add_argument("--flags", default="", help='more flags for pellucid train, such as "--optimizer adam"')
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
