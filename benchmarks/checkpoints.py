"""The cost of checkpoints: ``python -m benchmarks.checkpoints``.

Trainings of the presets ``mlp`` and ``cnn`` on MNIST, with and without the policy ``Checkpoint`` with its defaults, take turns
in one process without tuning variables. Two figures are reported: the ratio of the times of a pair, which includes the noise of
the machine, and the share of the time of a training that its checkpoints and the digests of the data took, which is measured
inside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.environment import child_environment, machine
from benchmarks.report import format_value
from pellucid import Accuracy, Checkpoint, CrossEntropy
from pellucid.data import Splits, mnist
from pellucid.kernels import name_of
from pellucid.runs.presets import preset
from pellucid.training import checkpoint, trainer

PRESETS = ("mlp", "cnn")


def timed(module: Any, name: str, spent: list[float]) -> None:
    """Replace a function or method of a module or class by one that adds its time to ``spent``."""
    function = getattr(module, name)

    def measured(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            spent.append(time.perf_counter() - start)

    setattr(module, name, measured)


def train(name: str, digits: Splits, epochs: int, folder: Path | None) -> float:
    """Train a new model of a preset, with checkpoints in ``folder``, and return the seconds."""
    recipe = preset(name)
    model = recipe.network(10).compile((28, 28, 1), CrossEntropy(), recipe.optimizer, [Accuracy()], seed=0)
    policies = [] if folder is None else [Checkpoint(folder)]
    start = time.perf_counter()
    model.fit(digits.train, validation=digits.validation, epochs=epochs, batch_size=recipe.fit.batch_size, policies=policies)
    return time.perf_counter() - start


def measure(name: str, epochs: int, rounds: int) -> dict[str, Any]:
    """Return the times of pairs of trainings, with the seconds that checkpoints took in each."""
    digits, spent = mnist(), list[float]()
    timed(checkpoint.CheckpointWriter, "_write", spent)
    timed(trainer, "data_digest", spent)
    train(name, digits, 1, None)  # loads the kernels
    result: dict[str, Any] = {"preset": name, "epochs": epochs, "with": [], "without": [], "writing": [], "written": []}
    for i in range(rounds):
        spent.clear()
        with tempfile.TemporaryDirectory() as folder:
            pair = {"without": None, "with": Path(folder)}
            for kind in list(pair)[:: 1 if i % 2 else -1]:
                result[kind].append(train(name, digits, epochs, pair[kind]))
            result["bytes"] = max(path.stat().st_size for path in Path(folder).iterdir())
        result["writing"].append(sum(spent))
        result["written"].append(len(spent) - 2)  # two are digests
    return {**result, "kernels": name_of(preset_kernels(name))}


def preset_kernels(name: str) -> Any:
    """Return the kernels that a model of the preset uses."""
    recipe = preset(name)
    return recipe.network(10).compile((28, 28, 1), CrossEntropy(), recipe.optimizer, seed=0).kernels


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as a table in Markdown."""
    lines = [
        "| preset | epochs | file, MB | checkpoints | one, ms | share of the training, % | time with / without |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in results:
        shares = [100 * writing / seconds for writing, seconds in zip(one["writing"], one["with"], strict=True)]
        ratios = [after / before for after, before in zip(one["with"], one["without"], strict=True)]
        each = statistics.median(1e3 * w / n for w, n in zip(one["writing"], one["written"], strict=True))
        values = (
            one["preset"],
            one["epochs"],
            f"{one['bytes'] / 1e6:.2f}",
            f"{statistics.median(one['written']):g}",
            format_value(each),
            f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})",
            f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
        )
        lines.append("| " + " | ".join(map(str, values)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure the presets, each in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description="The cost of checkpoints.")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", choices=PRESETS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.epochs, options.rounds)))
        return
    print(json.dumps(machine()))
    results = []
    for name in PRESETS:
        words = [sys.executable, "-m", "benchmarks.checkpoints", "--child", name]
        words += ["--epochs", str(options.epochs), "--rounds", str(options.rounds)]
        output = subprocess.run(words, env=child_environment(), check=True, capture_output=True, text=True).stdout
        results.append(json.loads(output.splitlines()[-1]))
    print(f"kernels: {results[0]['kernels']}; {options.rounds} pairs\n\n{table(results)}")


if __name__ == "__main__":
    main()
