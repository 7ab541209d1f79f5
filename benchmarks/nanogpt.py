"""nanoGPT's training for a CPU, by Pellucid and by PyTorch: ``python -m benchmarks.nanogpt --data-dir FOLDER``.

The Transformer of nanoGPT's README (Karpathy, https://github.com/karpathy/nanoGPT, "I only have a macbook"): 4 layers, 4 heads,
128 columns, 804,096 parameters, trained for 2,000 steps of 12 windows of 64 characters of tinyshakespeare, with AdamW, a
learning rate that rises to 0.001 in 100 steps and falls along a cosine to a tenth, and gradients clipped to the norm 1. The
README states a validation loss of 1.88. Here the loss is that of the whole validation part, the last tenth of the text, in
windows of 64. With each seed both libraries start from the same parameters and draw the same windows. Every training is a
process of its own, and the time is that of the steps, without compilation.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.transformer import SIZES
from benchmarks.environment import child_environment, machine

LIBRARIES = ("pellucid", "torch")
SIZE = SIZES["4 layers, 128 wide, context 64"]
BATCH, STEPS, RATE, WARM_UP = 12, 2_000, 1e-3, 100
VALIDATION = 0.1  # of the text, its end


def rate(step: int, peak: float, steps: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    if step < WARM_UP:
        return peak * (step + 1) / (WARM_UP + 1)
    falls = (step - WARM_UP) / max(steps - WARM_UP, 1)
    return peak * (0.1 + 0.45 * (1 + math.cos(math.pi * falls)))


def read_tokens(data_dir: str | Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tokens of the training part and of the validation part: the number of each character in sorted order."""
    text = (Path(data_dir) / "tinyshakespeare.txt").read_text(encoding="utf-8")
    number = {character: i for i, character in enumerate(sorted(set(text)))}
    tokens = np.array([number[character] for character in text], np.int64)
    end = int(len(tokens) * (1 - VALIDATION))
    return tokens[:end], tokens[end:]


def drawn_windows(tokens: NDArray[np.int64], rng: np.random.Generator) -> tuple[Any, Any]:
    """Return a batch of windows at random places, and the tokens that follow each of theirs."""
    places = rng.integers(0, len(tokens) - SIZE.context, BATCH)[:, None] + np.arange(SIZE.context + 1)
    return tokens[places[:, :-1]], tokens[places[:, 1:]]


def consecutive_windows(tokens: NDArray[np.int64]) -> tuple[Any, Any]:
    """Return all windows of a part side by side, and the tokens that follow; the rest that fills no window is left out."""
    count = (len(tokens) - 1) // SIZE.context
    return (tokens[i : i + count * SIZE.context].reshape(count, SIZE.context) for i in (0, 1))  # type: ignore[return-value]


def run(library: str, task: dict[str, Any]) -> dict[str, float]:
    """Return the loss and the seconds of a training in a process of its own. Exits with its error message if it fails."""
    command = [sys.executable, "-m", f"benchmarks.trainers.nanogpt_{library}", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, env=child_environment())
    if done.returncode:
        raise SystemExit(f"{library} ended with code {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Return a table of the losses of all seeds, their median, and the median seconds."""
    lines = ["| library | loss, median | each seed | seconds, median |", "|---|---|---|---|"]
    for library, runs in results.items():
        losses, seconds = ([one[name] for one in runs] for name in ("loss", "seconds"))
        each = ", ".join(f"{loss:.3f}" for loss in losses)
        lines.append(f"| {library} | {statistics.median(losses):.3f} | {each} | {statistics.median(seconds):.0f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train with all libraries and seeds, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nanogpt", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="the folder of tinyshakespeare.txt")
    parser.add_argument("--seeds", type=int, default=3, help="the number of seeds, from 0 (default: 3)")
    parser.add_argument("--rate", type=float, default=RATE, help=f"the highest learning rate (default: {RATE})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"the number of steps (default: {STEPS:,})")
    parser.add_argument("--only", default=",".join(LIBRARIES), help=f"the libraries (default: {','.join(LIBRARIES)})")
    parser.add_argument("--out", type=Path, help="write the results into this JSON file")
    options = parser.parse_args(arguments)
    libraries = [name for name in options.only.split(",") if name]
    if unknown := sorted(set(libraries) - set(LIBRARIES)):
        parser.error(f"unknown library {', '.join(unknown)}; choose from {', '.join(LIBRARIES)}")
    if not (options.data_dir / "tinyshakespeare.txt").exists():
        parser.error(f"--data-dir: {options.data_dir} contains no tinyshakespeare.txt")
    if options.seeds < 1 or options.steps < 1 or not options.rate > 0:
        parser.error("--seeds and --steps must be at least 1, and --rate above 0")
    where, results = machine(), {library: [] for library in libraries}  # type: dict[str, Any], dict[str, list[Any]]
    for seed in range(options.seeds):
        for library in libraries:
            task = {"data_dir": str(options.data_dir.resolve()), "seed": seed, "rate": options.rate, "steps": options.steps}
            found = run(library, task)
            results[library].append(found)
            print(f"{library}, seed {seed}: {found['loss']:.4f} after {found['seconds']:.1f} s", file=sys.stderr, flush=True)
    if options.out is not None:
        content = {"machine": where, "rate": options.rate, "steps": options.steps, "results": results}
        options.out.write_text(json.dumps(content, indent=2) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
