"""Pellucid's scikit-learn estimators and scikit-learn's own networks: ``python -m benchmarks.estimators``.

The same pipeline, a StandardScaler and the estimator with its default settings, Pellucid's with recipe="plain" (one hidden
layer of 100 units, Adam, batches of 200, at most 200 epochs; both end when the training loss no longer falls), is trained on
three quarters of the samples of four data sets, chosen again for each seed, and scored on the rest: accuracy or R². scikit-
learn's regressor does not standardize y, as Pellucid's does, so it is measured a second time inside a
TransformedTargetRegressor that does.

Each run is a process of its own, without variables that select threads; contenders take turns. ``first`` is the time of the
first fit of a process, after the imports; ``further`` is the median of the fits after it, with the same seed. Pellucid's
compiled kernels are cached, as they are from the second run on: the first run of each contender does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import child_environment, machine

DATA = ("digits", "wine", "diabetes", "houses")
CLASSES = ("digits", "wine")
CONTENDERS = ("pellucid", "scikit-learn", "scikit-learn, y standardized")
HOUSES = 20_640  # districts, as in the census of California


def houses(n: int = HOUSES) -> tuple[Any, Any]:
    """Return synthetic districts (n, 8) and prices (n) that resemble California's census of 1990.

    Incomes and counts have long tails. Prices depend smoothly on them and have ridges along the coast, noise, and an upper
    limit.
    """
    random = np.random.default_rng(1990)
    income, age = random.gamma(4, 1, n), random.integers(1, 53, n).astype(float)
    rooms, bedrooms = random.lognormal(1.6, 0.3, n), random.lognormal(0.05, 0.1, n)
    population, household = random.lognormal(7, 0.7, n), random.lognormal(1, 0.25, n)
    north = random.random(n) < 0.4
    latitude = np.where(north, random.normal(37.8, 0.8, n), random.normal(34.0, 0.6, n))
    longitude = -0.9 * latitude - 87 + random.normal(0, 1, n)
    coast = np.abs(longitude + 0.9 * latitude + 88.5)
    price = 0.35 * income + 0.9 * np.exp(-coast) + 0.5 * np.exp(-np.hypot(latitude - 37.8, longitude + 122.4))
    price += 0.004 * age - 0.2 * np.log(household) + 0.15 * np.log(rooms / bedrooms) + 0.1 * np.sin(3 * latitude)
    price = np.minimum(price * random.lognormal(0, 0.2, n), 5.0)
    return np.column_stack([income, age, rooms, bedrooms, population, household, latitude, longitude]), price


def load(data: str) -> tuple[Any, Any]:
    """Return (X, y) of that data set."""
    from sklearn import datasets

    if data == "houses":
        return houses()
    x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    return x, y


def estimator(contender: str, data: str, seed: int) -> Any:
    """Return the pipeline of a contender."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from pellucid.sklearn import NetworkClassifier, NetworkRegressor

    classifies = data in CLASSES
    if contender == "pellucid":
        kind = NetworkClassifier if classifies else NetworkRegressor
        network = kind(recipe="plain", random_state=seed)
    elif contender == "scikit-learn":
        network = MLPClassifier(random_state=seed) if classifies else MLPRegressor(random_state=seed)
    else:
        network = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
    return make_pipeline(StandardScaler(), network)


def measure(contender: str, data: str, seed: int, fits: int) -> dict[str, Any]:
    """Return the score and the times of one run in this process."""
    from sklearn.model_selection import train_test_split

    warnings.simplefilter("ignore")  # scikit-learn warns if 200 epochs are not enough
    x, y = load(data)
    parts = train_test_split(x, y, random_state=seed, stratify=y if data in CLASSES else None)
    seconds, pipeline = [], estimator(contender, data, seed)
    for _ in range(fits):
        began = time.perf_counter()
        pipeline.fit(parts[0], parts[2])
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    score = pipeline.score(parts[1], parts[3])
    scored = time.perf_counter() - began
    last = getattr(pipeline[-1], "regressor_", pipeline[-1])
    further = statistics.median(seconds[1:]) if fits > 1 else seconds[0]
    return {"score": score, "first": seconds[0], "further": further, "predict": scored, "epochs": int(last.n_iter_)}


def run(contender: str, data: str, seed: int, fits: int) -> dict[str, Any]:
    """Return the score and the times of one run in a process of its own. Exits with an error message if it fails."""
    command = [sys.executable, "-m", "benchmarks.estimators", "--child", json.dumps([contender, data, seed, fits])]
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contender}, {data} ended with code {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(results: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """Return a table of medians over the seeds, with the ranges of the scores in brackets."""
    head = ["data", "estimator", "score", "first fit (s)", "further fits (s)", "epochs", "times as fast"]
    lines = ["| " + " | ".join(head) + " |", "|" + len(head) * "---|"]
    for data, contenders in results.items():
        ours = statistics.median(one["further"] for one in contenders.get(CONTENDERS[0], [{"further": float("nan")}]))
        for contender, runs in contenders.items():
            medians = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
            scores = sorted(one["score"] for one in runs)
            score = f"{medians['score']:.4f} ({scores[0]:.4f} to {scores[-1]:.4f})"
            times = [f"{medians['first']:.3f}", f"{medians['further']:.3f}", f"{medians['epochs']:.0f}"]
            ratio = "" if contender == CONTENDERS[0] else f"{medians['further'] / ours:.1f}"
            lines.append("| " + " | ".join([data, contender, score, *times, ratio]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure all contenders, data sets and seeds, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimators", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="the number of seeds, from 0 (default: 5)")
    parser.add_argument("--fits", type=int, default=4, help="the number of fits in each run (default: 4)")
    parser.add_argument("--only", default=",".join(DATA), help=f"the data sets (default: {','.join(DATA)})")
    parser.add_argument("--out", type=Path, help="write all runs into this JSON file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(*json.loads(options.child))))
        return
    chosen = [name for name in options.only.split(",") if name]
    unknown = set(chosen) - set(DATA)
    if unknown:
        parser.error(f"unknown data set {', '.join(sorted(unknown))}; choose from {', '.join(DATA)}")
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for data in chosen:
        contenders = CONTENDERS[:2] if data in CLASSES else CONTENDERS
        results[data] = {contender: [] for contender in contenders}
        for seed in (-1, *range(options.seeds)):
            for contender in contenders:
                found = run(contender, data, max(seed, 0), 1 if seed < 0 else options.fits)
                if seed >= 0:  # the run before reads the files and compiles the kernels
                    results[data][contender].append(found)
                    print(f"{data}, {contender}, seed {seed}: {found}", file=sys.stderr, flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps({"machine": machine(), "results": results}, indent=2) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
