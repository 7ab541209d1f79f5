"""Time and size of exports for one sample: ``python -m benchmarks.exports``.

The presets mlp and cnn, without training, predict one image at a time: as C compiled by gcc, with float and with weights of
8 bits; with emlearn's C, which has dense layers only; in ONNX Runtime with one thread; as JavaScript in Chromium; and with
Model.predict. Each contender is a process of its own, and the processes take turns; a round is the median of many calls after
some that do not count. All outputs are compared with those of the model first.

What is not installed is left out, with a line that says so. keras2c 2.0 is not among the contenders: its package contains
the converter without the C library that the converted code includes, and the converter fails with current pydantic.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import child_environment, machine
from benchmarks.harness import rotations
from benchmarks.installed import installed
from pellucid import CrossEntropy, Model
from pellucid.core.memory import Array
from pellucid.data.input_stage import ImageScaling
from pellucid.export.plain.javascript_program import javascript_program
from pellucid.model.quantization import quantize
from pellucid.runs.presets import preset

NETWORKS = ("mlp", "cnn")
WARM_UP, CALLS = 100, 500
SHAPE, CLASSES = (28, 28, 1), 10
FLAGS = {"-O3": ["-O3"], "-O3 -march=native": ["-O3", "-march=native"]}
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

# Prints the outputs for the sample on standard input, then the nanoseconds of each call.
TIMER = """\
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <time.h>
#include "measured.h"

static float input[784], output[10];

int main(void)
{
    for (int i = 0; i < 784; i++)
        if (scanf("%f", &input[i]) != 1)
            return 1;
    for (int call = 0; call < WARM_UP + CALLS; call++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        MEASURED(input, output);
        clock_gettime(CLOCK_MONOTONIC, &end);
        if (call == 0) {
            for (int i = 0; i < 10; i++)
                printf("%.9g ", (double)output[i]);
            printf("\\n");
        }
        if (call >= WARM_UP)
            printf("%ld ", (long)(end.tv_sec - start.tv_sec) * 1000000000L + (end.tv_nsec - start.tv_nsec));
    }
    return 0;
}
"""

# The same for a file that a Python process runs: ONNX Runtime, or Model.predict.
PYTHON_TIMER = """\
import sys, time
import numpy as np
kind, path = sys.argv[1:]
x = np.array(sys.stdin.read().split(), np.uint8).reshape(1, 28, 28, 1)
if kind == "onnx":
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    predict = lambda: session.run(["output"], {"input": x})[0]
else:
    from pellucid import Model
    model = Model.load(path)
    predict = lambda: model.predict(x)
print(*predict()[0])
for call in range(WARM_UP):
    predict()
for call in range(CALLS):
    start = time.perf_counter_ns()
    predict()
    print(time.perf_counter_ns() - start, end=" ")
"""

# The same in a page. Its clock has steps of 5 µs or more, so that a time is that of twenty calls.
PAGE_TIMER = """([text, sample, warmUp, calls]) => {
  const predict = new Function(`${text}\\nreturn predict;`)(), x = Float32Array.from(sample), outputs = [...predict(x)];
  for (let i = 0; i < warmUp; i++) predict(x);
  const times = [];
  for (let i = 0; i < calls / 20; i++) {
    const start = performance.now();
    for (let k = 0; k < 20; k++) predict(x);
    times.push((performance.now() - start) * 1e6 / 20);
  }
  return [outputs, times];
}"""

Run = Callable[[], tuple[list[float], list[float]]]  # returns the outputs, and the nanoseconds of each call


@dataclass(frozen=True)
class Contender:
    """A way to predict one sample: ``sizes`` are bytes by what they are, ``bound`` the largest error of an output."""

    name: str
    run: Run
    sizes: dict[str, int]
    bound: float = 1e-5


def process(command: list[str], sample: str) -> Run:
    """Return a function that runs a command on the sample and reads the two lines that it prints."""

    def run() -> tuple[list[float], list[float]]:
        done = subprocess.run(command, input=sample, capture_output=True, text=True, env=child_environment(), check=True)
        outputs, times = done.stdout.splitlines()
        return [float(word) for word in outputs.split()], [float(word) for word in times.split()]

    return run


def compiled(name: str, folder: Path, sample: str, bound: float = 1e-5) -> Iterator[Contender]:
    """Compile the C in a folder with each of the flags. ``measured.h`` in it says what is measured."""
    (folder / "timer.c").write_text(f"#define WARM_UP {WARM_UP}\n#define CALLS {CALLS}\n{TIMER}")
    sources = [one for one in ("network.c", "timer.c") if (folder / one).exists()]
    for label, flags in FLAGS.items():
        program = folder / f"timer {label}".replace(" ", "_")
        subprocess.run(["gcc", "-std=c99", *flags, "-I.", "-o", program, *sources, "-lm"], cwd=folder, check=True)
        listed = subprocess.run(["size", program], capture_output=True, text=True, check=True).stdout.splitlines()[1]
        code, data, zeros = map(int, listed.split()[:3])
        yield Contender(f"{name}, {label}", process([str(program)], sample), {"program": code + data, "memory": zeros}, bound)


def emlearn_source(model: Model) -> str:
    """Return the C that emlearn generates for a network of dense layers, which reads pixels from 0 to 1."""
    from emlearn.net import c_generate_net_loadable

    arrays = model.state.arrays()
    layers = sorted({path.partition(".")[0] for path in arrays})
    weights, biases = ([arrays[f"{layer}.{slot}"] for layer in layers] for slot in ("W", "b"))
    text: str = c_generate_net_loadable(["relu"] * (len(layers) - 1) + ["softmax"], weights, biases, prefix="net")
    return text


def contenders(network: str, folder: Path, page: Any, notify: Callable[[str], None]) -> tuple[list[Contender], Array]:
    """Return the contenders for a network, and the outputs that all of them have to compute."""
    model = preset(network).network(CLASSES).compile(SHAPE, CrossEntropy(), input_stage=ImageScaling())
    x = np.random.default_rng(0).integers(0, 256, (200, *SHAPE), np.uint8)
    sample = " ".join(map(str, x[0].ravel()))
    found: list[Contender] = []
    if shutil.which("gcc") is None:
        notify("gcc is not installed: no C")
    else:
        int8 = quantize(model, x).int8
        for name, scales, bound in (("C", None, 1e-5), ("C with 8 bits", int8, 0.1)):
            place = folder / name
            model.export_c(place, int8=scales)
            (place / "measured.h").write_text('#include "network.h"\n#define MEASURED predict\n')
            found += compiled(name, place, sample, bound)
        if network == "mlp" and importlib.util.find_spec("emlearn") is not None:
            import emlearn

            place = folder / "emlearn"
            place.mkdir()
            shutil.copytree(emlearn.includedir, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
            scaled = "static float x[784];\nstatic void measured(const float *input, float *output)\n{\n"
            scaled += "    for (int i = 0; i < 784; i++)\n        x[i] = input[i] / 255.0f;\n"
            scaled += "    eml_net_predict_proba(&net, x, 784, output, 10);\n}\n#define MEASURED measured\n"
            (place / "measured.h").write_text(f"{emlearn_source(model)}\n{scaled}")
            found += compiled("emlearn", place, sample)
        elif network == "mlp":
            notify("emlearn is not installed: pip install emlearn")
    timer = folder / "timer.py"
    timer.write_text(f"WARM_UP, CALLS = {WARM_UP}, {CALLS}\n{PYTHON_TIMER}")
    if importlib.util.find_spec("onnxruntime") is None:
        notify("onnxruntime is not installed: pip install onnx onnxruntime")
    else:
        file = folder / "network.onnx"
        model.export_onnx(file)
        sizes = {"program": file.stat().st_size, "packages": sum(installed("onnxruntime").values())}
        found.append(Contender("ONNX Runtime", process([sys.executable, str(timer), "onnx", str(file)], sample), sizes))
    file = folder / "network.pellucid"
    model.save(file)
    sizes = {"program": file.stat().st_size, "packages": sum(installed("pellucid").values())}
    found.append(Contender("Model.predict", process([sys.executable, str(timer), "model", str(file)], sample), sizes))
    if page is not None:
        text = javascript_program(model._trained_network())
        arguments = [text, x[0].ravel().tolist(), WARM_UP, CALLS]
        run = lambda: tuple(page.evaluate(PAGE_TIMER, arguments))  # noqa: E731
        found.append(Contender("JavaScript, Chromium", run, {"program": len(text)}))
    expected: Array = model.predict(x[:1])[0]
    return found, expected


@contextlib.contextmanager
def chromium(notify: Callable[[str], None]) -> Iterator[Any]:
    """A page in Chromium, or None if it is not installed."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None or importlib.util.find_spec("playwright") is None:
        notify("Chromium or Playwright is not installed: no JavaScript")
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=BROWSER_FLAGS, env=child_environment())
        yield browser.new_page()
        browser.close()


def measure(network: str, rounds: int, page: Any, notify: Callable[[str], None]) -> dict[str, Any]:
    """Return the microseconds and bytes of each contender by name."""
    with tempfile.TemporaryDirectory() as name:
        found, expected = contenders(network, Path(name), page, notify)
        by_name = {one.name: one for one in found}
        times: dict[str, list[float]] = {one: [] for one in by_name}
        for one in found:
            error = np.abs(np.array(one.run()[0]) - expected).max()
            assert error <= one.bound, f"{one.name} computes something else: {error}"
        for turn in rotations(list(by_name), rounds):
            for each in turn:
                times[each].append(statistics.median(by_name[each].run()[1]) / 1000)
    return {
        each: {
            "us": statistics.median(values),
            "us_quartiles": [float(np.percentile(values, part)) for part in (25, 75)],
            "bytes": by_name[each].sizes,
        }
        for each, values in times.items()
    }


def main() -> None:
    """Measure everything and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each contender is measured")
    parser.add_argument("--out", type=Path, help="write the results to this JSON file")
    options = parser.parse_args()

    def notify(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    results: dict[str, Any] = {"machine": machine()}
    with chromium(notify) as page:
        for network in NETWORKS:
            results[network] = measure(network, options.rounds, page, notify)
            print(f"\n{network:<32} {'µs':>9}  {'quartiles':>17}  bytes")
            for name, one in results[network].items():
                low, high = one["us_quartiles"]
                sizes = ", ".join(f"{kind} {size:,}" for kind, size in one["bytes"].items())
                print(f"{name:<32} {one['us']:>9.1f}  {low:>8.1f} {high:>8.1f}  {sizes}")
    gcc = shutil.which("gcc") and subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout
    results["gcc"] = re.findall(r"[\d.]+$", gcc.splitlines()[0])[0] if gcc else None
    if options.out is not None:
        options.out.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
