"""Accuracy, time and energy of the same networks in several libraries: ``python -m benchmarks.energy``.

Each library trains each network from the same weights with Adam (learning rate 0.001), batches of 100 and the same number of
epochs, in a process of its own; the libraries take turns. Time and energy count from the start of the process to the last
update, including imports, data and compiling; the test set is evaluated afterwards. Pellucid's compiled kernels are cached, as
they are from the second run on; JAX and TensorFlow compile in each process, as they do by default.

Energy is determined by CodeCarbon (Schmidt et al., codecarbon.io), offline. If the system gives access to the counter of
the processor (RAPL), it is *measured*; otherwise it is *estimated*, from the load of the processor and a table of
processors, with a constant for the memory. An estimate has a range: from 4 W per busy core without memory to 15 W per busy
core with memory. CO₂ is always estimated: the energy times the emissions per kilowatt-hour, in the median country of
CodeCarbon's table, with the range from the first to the last decile of countries (or in one given country), combined with
the range of the energy.
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
from benchmarks.report import format_value
from benchmarks.time_to_accuracy import run, training_rows, training_task
from benchmarks.trainers import TrainingTask
from pellucid.optim import Adam
from pellucid.runs.energy import CORE_WATTS

LIBRARIES = ("pellucid", "torch-channels-last", "jax", "keras", "sklearn")
TRAINED = ("mlp-d8", "mlp", "lenet", "keras-example", "cnn-fast")
MEASURED = (
    "intel_rapl",
    "intel_power_gadget",
    "apple_powermetrics",
)  # CodeCarbon's names for readings of a processor's counter
JOULES = 3.6e6  # in a kilowatt-hour


@dataclass(frozen=True)
class Quantity:
    """A value with its range; ``how`` is "measured" or "estimated", ``source`` says from what."""

    value: float
    low: float
    high: float
    how: str
    source: str

    def text(self, unit: str, scale: float = 1.0) -> str:
        """Return a text such as ``520 J (300 to 1100), estimated``."""
        low, value, high = (format_value(scale * one) for one in (self.low, self.value, self.high))
        return f"{value} {unit} ({low} to {high}), {self.how}"


class Tracker:
    """A measurement by CodeCarbon, from its creation to ``stop``."""

    def __init__(self) -> None:
        from codecarbon import OfflineEmissionsTracker

        self.tracker = OfflineEmissionsTracker(
            country_iso_code="USA",  # required; the CO₂ for it is not used
            measure_power_secs=1,
            output_methods=[],
            log_level="critical",
            allow_multiple_runs=True,
        )
        self.tracker.start()
        self.emissions: Any = None

    def stop(self) -> None:
        """End the measurement; ``emissions`` holds the result. Call it once."""
        self.tracker.stop()
        self.emissions = self.tracker.final_emissions_data

    def energy(self, core_seconds: float) -> Quantity:
        """Return the energy in joules; ``core_seconds`` determine the range of an estimate."""
        cpu = next(part for part in self.tracker._hardware if type(part).__name__ == "CPU")  # otherwise only in its log
        measured = cpu._mode in MEASURED
        value, processor, memory = (
            JOULES * part for part in (self.emissions.energy_consumed, self.emissions.cpu_energy, self.emissions.ram_energy)
        )
        how = "by its counter" if measured else f"by its load, {cpu._tdp:.3g} W when busy"
        source = (
            f"CodeCarbon {self.emissions.codecarbon_version}: the processor {how}; the memory {self.emissions.ram_power:.3g} W"
        )
        if measured:
            return Quantity(value, processor, value + memory, "measured", f"{source}, which is an estimate")
        low, high = CORE_WATTS[0] * core_seconds, CORE_WATTS[2] * core_seconds + memory
        return Quantity(value, min(value, low), max(value, high), "estimated", source)


def intensities(country: str | None) -> Quantity:
    """Return grams of CO₂ per kilowatt-hour, from CodeCarbon's table. Raises LookupError for a country that is not in it."""
    import codecarbon

    path = Path(codecarbon.__file__).parent / "data" / "private_infra" / "global_energy_mix.json"
    table = {name: one for name, one in json.loads(path.read_text()).items() if one.get("carbon_intensity")}
    source = "the energy mix of countries in CodeCarbon"
    if country is not None:
        entry = table[country]
        grams = entry["carbon_intensity"]
        return Quantity(grams, grams, grams, "estimated", f"{source}, {entry['country_name']} {entry['year']}")
    all_grams = [one["carbon_intensity"] for one in table.values()]
    tenths, years = statistics.quantiles(all_grams, n=10), {one["year"] for one in table.values()}
    when = f"{min(years)} to {max(years)}"
    middle = statistics.median(all_grams)
    return Quantity(middle, tenths[0], tenths[-1], "estimated", f"{source}, {len(all_grams)} countries, {when}")


def carbon(energy: Quantity, intensity: Quantity) -> Quantity:
    """Return grams of CO₂."""
    value, low, high = (getattr(energy, part) * getattr(intensity, part) / JOULES for part in ("value", "low", "high"))
    return Quantity(value, low, high, "estimated", intensity.source)


def supports(library: str, network: str) -> bool:
    """Return whether the library has the layers of the network."""
    return library != "sklearn" or not count(NETWORKS[network], Conv)


def medians(runs: list[dict[str, Any]], name: str) -> Quantity:
    """Return the medians of a quantity and of its range over several runs."""
    found = [Quantity(**one[name]) for one in runs]
    value, low, high = (statistics.median(getattr(one, part) for one in found) for part in ("value", "low", "high"))
    return Quantity(value, low, high, found[0].how, found[0].source)


def table(results: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """Return a table with a line for each network and library.

    Values are medians over the seeds. Seconds and accuracies have their range over the seeds, energy and CO₂ the range of their
    estimates.
    """
    head = ["network", "library", "test accuracy (%)", "seconds", "core seconds", "energy", "CO₂"]
    lines = ["| " + " | ".join(head) + " |", "|" + len(head) * "---|"]
    for network, libraries in results.items():
        for library, runs in libraries.items():
            if not runs:
                lines.append(f"| {network} | {library} | no convolution |" + (len(head) - 3) * " – |")
                continue
            accuracies = sorted(100 * one["accuracy"] for one in runs)
            seconds = sorted(one["seconds"] for one in runs)
            cells = [network, library, _with_range(accuracies, ".2f"), _with_range(seconds, ".1f")]
            cells.append(f"{statistics.median(one['core_seconds'] for one in runs):.1f}")
            cells += [medians(runs, "energy").text("J"), medians(runs, "co2").text("mg", 1e3)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _with_range(values: list[float], form: str) -> str:
    """Return the median of sorted values, and if there are several, their range."""
    ends = f" ({values[0]:{form}} to {values[-1]:{form}})" if len(values) > 1 else ""
    return f"{statistics.median(values):{form}}{ends}"


def provenance(results: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """Return a line for each source of the quantities."""
    runs = [one for libraries in results.values() for found in libraries.values() for one in found]
    sources = dict.fromkeys(
        f"{name}: {one[key]['source']}" for key, name in (("energy", "energy"), ("co2", "CO₂")) for one in runs
    )
    return "\n".join(f"- {source}" for source in sources)


def main() -> None:
    """Train with all libraries, networks and seeds, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.energy", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="the number of seeds, from 0 (default: 3)")
    parser.add_argument("--epochs", type=int, default=3, help="the number of epochs of each training (default: 3)")
    parser.add_argument("--only", default=",".join(LIBRARIES), help=f"the libraries (default: {','.join(LIBRARIES)})")
    parser.add_argument("--networks", default=",".join(TRAINED), help=f"the networks (default: {','.join(TRAINED)})")
    parser.add_argument("--country", help="use the energy mix of this country, as in DEU, instead of the range of countries")
    parser.add_argument("--data-dir", type=Path, required=True, help="the folder with MNIST's four files")
    parser.add_argument("--out", type=Path, help="write all runs into this JSON file")
    arguments = parser.parse_args()
    chosen = {}
    for flag, given, known in (("--only", arguments.only, LIBRARIES), ("--networks", arguments.networks, tuple(NETWORKS))):
        chosen[flag] = [name for name in given.split(",") if name]
        if unknown := set(chosen[flag]) - set(known):
            parser.error(f"{flag}: unknown name {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    try:
        intensity = intensities(arguments.country)
    except ImportError:
        parser.error("CodeCarbon is not installed: pip install -r benchmarks/requirements.txt")
    except LookupError:
        parser.error(f"--country: CodeCarbon has no energy mix of {arguments.country!r}; use three capital letters, as in DEU")
    results: dict[str, dict[str, list[dict[str, Any]]]] = {
        network: {library: [] for library in chosen["--only"]} for network in chosen["--networks"]
    }
    data_dir, facts = str(arguments.data_dir.resolve()), machine()
    with tempfile.TemporaryDirectory() as folder:
        rows = training_rows(data_dir, folder)
        for seed in (-1, *range(arguments.seeds)):
            for network, libraries in results.items():
                for library, runs in libraries.items():
                    if not supports(library, network):
                        continue
                    epochs = arguments.epochs if seed >= 0 else 1
                    task = training_task(network, Adam(0.001), epochs, 100, max(seed, 0), data_dir, rows, checkpoints=1)
                    if seed < 0:  # this run compiles the kernels and brings the files into memory
                        if library == "pellucid":
                            run(library, task)
                        continue
                    runs.append(_tracked_run(library, task, intensity))
                    print(f"{network}, {library}, seed {seed}: {json.dumps(runs[-1])}", file=sys.stderr, flush=True)
                    if arguments.out is not None:  # after each run, because a later one may fail
                        arguments.out.write_text(json.dumps({"machine": facts, "results": results}, indent=2) + "\n")
    print(f"{table(results)}\n\nSources:\n\n{provenance(results)}")


def _tracked_run(library: str, task: TrainingTask, intensity: Quantity) -> dict[str, Any]:
    tracker = Tracker()
    found = run(library, task, tracker.stop)
    energy = tracker.energy(found["core_seconds"])
    return {
        "seconds": found["seconds"],
        "core_seconds": found["core_seconds"],
        "accuracy": found["checkpoints"][-1]["accuracy"],
        "energy": asdict(energy),
        "co2": asdict(carbon(energy, intensity)),
    }


if __name__ == "__main__":
    main()
