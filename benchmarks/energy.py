"""Accuracy, time and energy of the same networks in several libraries: ``python -m benchmarks.energy``.

Each library trains each network from the same weights with Adam (learning rate 0.001), batches of 100 and the same number of
epochs, in a process of its own; the libraries take turns. Time and energy count from the start of the process to the last
update: imports, data and compiling included; the test set is looked at afterwards. Pellucid's compiled kernels are in their
cache, as from the second run on; JAX and TensorFlow compile in each process, which is how they come.

Energy is CodeCarbon's (Schmidt et al., codecarbon.io), offline: the processor's own count (RAPL) where the system shows it,
which is *measured*; elsewhere *estimated*, from the processor's load and a table of processors, and the memory by a
constant. An estimate comes with a range: from 4 W a busy core and nothing else to 15 W a busy core and the memory. CO₂ is
always estimated: the energy times what a kilowatt-hour comes to, in the middle country of CodeCarbon's table, with the range
from its first to its last tenth of countries (or in the one country that is given), times the range of the energy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.environment import machine
from benchmarks.networks import NETWORKS, Conv, count
from benchmarks.race import run, task, training_rows
from benchmarks.report import figure
from pellucid.optim import Adam
from pellucid.runs.energy import WATTS

LIBRARIES = ("pellucid", "torch-channels-last", "jax", "keras", "sklearn")
TRAINED = ("mlp-d8", "mlp", "lenet", "keras-example", "cnn-fast")
MEASURED = (
    "intel_rapl",
    "intel_power_gadget",
    "apple_powermetrics",
)  # what CodeCarbon calls its ways to a processor's own count
JOULES = 3.6e6  # in a kilowatt-hour


@dataclass(frozen=True)
class Figure:
    """A figure with its range, whether it was "measured" or "estimated", and from what."""

    value: float
    low: float
    high: float
    how: str
    source: str

    def text(self, unit: str, scale: float = 1.0) -> str:
        """``520 J (300 to 1100), estimated``."""
        low, value, high = (figure(scale * one) for one in (self.low, self.value, self.high))
        return f"{value} {unit} ({low} to {high}), {self.how}"


class Tracker:
    """CodeCarbon from here on, until ``stop``."""

    def __init__(self) -> None:
        from codecarbon import OfflineEmissionsTracker

        self.tracker = OfflineEmissionsTracker(
            country_iso_code="USA",  # it wants one; its CO₂ is not used
            measure_power_secs=1,
            output_methods=[],
            log_level="critical",
            allow_multiple_runs=True,
        )
        self.tracker.start()
        self.read: Any = None

    def stop(self) -> None:
        """Once; what was found stays in ``read``."""
        self.tracker.stop()
        self.read = self.tracker.final_emissions_data

    def energy(self, core_seconds: float) -> Figure:
        """In joules, with the range that ``core_seconds`` allow."""
        cpu = next(part for part in self.tracker._hardware if type(part).__name__ == "CPU")  # what it tells in its log only
        measured = cpu._mode in MEASURED
        value, processor, memory = (
            JOULES * part for part in (self.read.energy_consumed, self.read.cpu_energy, self.read.ram_energy)
        )
        how = "by its own count" if measured else f"by its load, {cpu._tdp:.3g} W when busy"
        source = f"CodeCarbon {self.read.codecarbon_version}: the processor {how}; the memory {self.read.ram_power:.3g} W"
        if measured:
            return Figure(value, processor, value + memory, "measured", f"{source}, which is an estimate")
        low, high = WATTS[0] * core_seconds, WATTS[2] * core_seconds + memory
        return Figure(value, min(value, low), max(value, high), "estimated", source)


def intensities(country: str | None) -> Figure:
    """Grams of CO₂ a kilowatt-hour, from the table that CodeCarbon brings along. LookupError for a country it lacks."""
    import codecarbon

    path = Path(codecarbon.__file__).parent / "data" / "private_infra" / "global_energy_mix.json"
    table = {name: one for name, one in json.loads(path.read_text()).items() if one.get("carbon_intensity")}
    source = "the energy mix of countries in CodeCarbon"
    if country is not None:
        here = table[country]
        grams = here["carbon_intensity"]
        return Figure(grams, grams, grams, "estimated", f"{source}, {here['country_name']} {here['year']}")
    all_grams = [one["carbon_intensity"] for one in table.values()]
    tenths, years = statistics.quantiles(all_grams, n=10), {one["year"] for one in table.values()}
    when = f"{min(years)} to {max(years)}"
    middle = statistics.median(all_grams)
    return Figure(middle, tenths[0], tenths[-1], "estimated", f"{source}, {len(all_grams)} of them, {when}")


def carbon(energy: Figure, intensity: Figure) -> Figure:
    """Grams of CO₂."""
    value, low, high = (getattr(energy, part) * getattr(intensity, part) / JOULES for part in ("value", "low", "high"))
    return Figure(value, low, high, "estimated", intensity.source)


def takes(library: str, network: str) -> bool:
    """Whether the library has such networks at all."""
    return library != "sklearn" or not count(NETWORKS[network], Conv)


def medians(runs: list[dict[str, Any]], name: str) -> Figure:
    """The medians of a figure and of its ends over several runs."""
    found = [Figure(**one[name]) for one in runs]
    value, low, high = (statistics.median(getattr(one, part) for one in found) for part in ("value", "low", "high"))
    return Figure(value, low, high, found[0].how, found[0].source)


def table(results: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """A line for each network and library: medians over the seeds; seconds and accuracies with their range over the seeds,
    energy and CO₂ with that of their estimate."""
    head = ["network", "library", "test accuracy (%)", "seconds", "core seconds", "energy", "CO₂"]
    lines = ["| " + " | ".join(head) + " |", "|" + len(head) * "---|"]
    for network, libraries in results.items():
        for library, runs in libraries.items():
            if not runs:
                lines.append(f"| {network} | {library} | has no convolution |" + (len(head) - 3) * " – |")
                continue
            right = sorted(100 * one["accuracy"] for one in runs)
            seconds = sorted(one["seconds"] for one in runs)
            cells = [network, library, _with_range(right, ".2f"), _with_range(seconds, ".1f")]
            cells.append(f"{statistics.median(one['core_seconds'] for one in runs):.1f}")
            cells += [medians(runs, "energy").text("J"), medians(runs, "co2").text("mg", 1e3)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _with_range(values: list[float], form: str) -> str:
    """The median of sorted values, and where there are several, from the first to the last."""
    ends = f" ({values[0]:{form}} to {values[-1]:{form}})" if len(values) > 1 else ""
    return f"{statistics.median(values):{form}}{ends}"


def provenance(results: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """Where the figures come from: a line for each source."""
    runs = [one for libraries in results.values() for found in libraries.values() for one in found]
    sources = dict.fromkeys(
        f"{name}: {one[key]['source']}" for key, name in (("energy", "energy"), ("co2", "CO₂")) for one in runs
    )
    return "\n".join(f"- {source}" for source in sources)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.energy", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0 (3)")
    parser.add_argument("--epochs", type=int, default=3, help="of each training (3)")
    parser.add_argument("--only", default=",".join(LIBRARIES), help=f"libraries ({','.join(LIBRARIES)})")
    parser.add_argument("--networks", default=",".join(TRAINED), help=f"networks ({','.join(TRAINED)})")
    parser.add_argument("--country", help="three letters (DEU): its energy mix instead of the range of countries")
    parser.add_argument("--data-dir", type=Path, required=True, help="the folder with MNIST's four files")
    parser.add_argument("--out", type=Path, help="a JSON file for all runs")
    arguments = parser.parse_args()
    chosen = {}
    for flag, given, known in (("--only", arguments.only, LIBRARIES), ("--networks", arguments.networks, tuple(NETWORKS))):
        chosen[flag] = [name for name in given.split(",") if name]
        if unknown := set(chosen[flag]) - set(known):
            parser.error(f"{flag}: there is no {', '.join(sorted(unknown))}: choose from {', '.join(known)}")
    try:
        intensity = intensities(arguments.country)
    except ImportError:
        parser.error("CodeCarbon is not installed: pip install -r benchmarks/requirements.txt")
    except LookupError:
        parser.error(f"--country: CodeCarbon knows no energy mix of {arguments.country!r}; three capital letters, as in DEU")
    results: dict[str, dict[str, list[dict[str, Any]]]] = {
        network: {library: [] for library in chosen["--only"]} for network in chosen["--networks"]
    }
    data_dir, facts = str(arguments.data_dir.resolve()), machine()
    with tempfile.TemporaryDirectory() as folder:
        rows = training_rows(data_dir, folder)
        for seed in (-1, *range(arguments.seeds)):
            for network, libraries in results.items():
                for library, runs in libraries.items():
                    if not takes(library, network):
                        continue
                    epochs = arguments.epochs if seed >= 0 else 1
                    given = task(network, Adam(0.001), epochs, 100, max(seed, 0), data_dir, rows, marks=1)
                    if seed < 0:  # kernels are compiled after this, and the files in memory
                        if library == "pellucid":
                            run(library, given)
                        continue
                    runs.append(_tracked(library, given, intensity))
                    print(f"{network}, {library}, seed {seed}: {json.dumps(runs[-1])}", file=sys.stderr, flush=True)
                    if arguments.out is not None:  # every time: a later run may fail
                        arguments.out.write_text(json.dumps({"machine": facts, "results": results}, indent=2) + "\n")
    print(f"{table(results)}\n\nSources:\n\n{provenance(results)}")


def _tracked(library: str, given: Any, intensity: Figure) -> dict[str, Any]:
    tracker = Tracker()
    found = run(library, given, tracker.stop)
    energy = tracker.energy(found["core_seconds"])
    return {
        "seconds": found["seconds"],
        "core_seconds": found["core_seconds"],
        "accuracy": found["marks"][-1]["accuracy"],
        "energy": asdict(energy),
        "co2": asdict(carbon(energy, intensity)),
    }


if __name__ == "__main__":
    main()
