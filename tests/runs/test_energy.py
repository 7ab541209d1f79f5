"""Energy: measured where the processor counts it, otherwise estimated with a range."""

from __future__ import annotations

import pytest

from pellucid.runs import energy
from pellucid.runs.energy import Energy, Meter


def domain(folder, number, name, joules, most=1000):
    path = folder / f"intel-rapl:{number}"
    path.mkdir(exist_ok=True)
    for file, value in (("name", name), ("energy_uj", int(joules * 1e6)), ("max_energy_range_uj", int(most * 1e6) - 1)):
        (path / file).write_text(f"{value}\n")


def test_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    domain(tmp_path, 0, "package-0", 10)
    domain(tmp_path, 1, "package-1", 995)
    domain(tmp_path, 2, "psys", 1)
    meter, shared = Meter(), Meter(alone=False)
    domain(tmp_path, 0, "package-0", 12.5)
    domain(tmp_path, 1, "package-1", 5)  # the counter has overflowed
    domain(tmp_path, 2, "psys", 900)
    assert meter.read() == Energy(12.5, 12.5, 12.5, "measured", "RAPL, the whole processor")
    assert str(meter.read()) == "12 J measured"
    assert shared.read().how == "estimated", "other work runs on the same processor"
    meter._start -= 3  # at 500 W, a counter of 1000 J may overflow after two seconds
    assert meter.read().how == "estimated"


def test_estimated(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "RAPL", tmp_path / "nowhere")
    seconds = iter([100.0, 150.0])
    monkeypatch.setattr(energy.time, "process_time", lambda: next(seconds))
    found = Meter().read()
    assert (found.low, found.joules, found.high, found.how) == (200, 400, 750, "estimated")
    assert "50.0 core seconds at 4 to 15 W" in found.source
    assert str(found) == "~400 J (200 J to 750 J) estimated"


@pytest.mark.parametrize("broken", ["energy_uj", "name"])
def test_a_count_that_cannot_be_read_is_an_estimate(tmp_path, monkeypatch, broken):
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    domain(tmp_path, 0, "package-0", 10)
    meter = Meter()
    (tmp_path / "intel-rapl:0" / broken).write_text("?")
    assert meter.read().how == "estimated"
