"""The energy that a computation uses: measured where the processor counts it, and estimated elsewhere.

Measured: processors of Intel and AMD count their energy (RAPL, running average power limit), and Linux shows the counters to
users who are allowed to read them. A counter covers the whole processor with everything that runs on it, but not memory,
screen and power supply. It overflows and starts again at zero; if it may have overflowed more than once since the last
reading, the energy is estimated.

Estimated: the seconds for which this process kept cores busy (two hardware threads of one core count twice), times the power
of a busy core: 4 W in a laptop (for example 28 W thermal design power for 8 cores), 8 W in many servers (150 W for 20 cores),
15 W in a desktop (125 W for 8 cores). These powers are assumptions, so an estimate has a range.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

RAPL = Path("/sys/class/powercap")
CORE_WATTS = 4.0, 8.0, 15.0  # of a busy core: low, middle, high
MAX_PROCESSOR_WATTS = 500.0  # an upper bound, which gives the shortest time in which a counter can overflow


@dataclass(frozen=True)
class Energy:
    """An amount of energy: ``joules``, with the range from ``low`` to ``high`` (all equal if measured).

    ``how`` is "measured" or "estimated", ``source`` says from what.
    """

    joules: float
    low: float
    high: float
    how: str
    source: str

    def __str__(self) -> str:
        if self.how == "measured":
            return f"{_with_unit(self.joules)} measured"
        return f"~{_with_unit(self.joules)} ({_with_unit(self.low)} to {_with_unit(self.high)}) estimated"

    def __add__(self, other: Energy) -> Energy:
        """Return the sum of two amounts; it is estimated if one of them is."""
        how = "measured" if self.how == other.how == "measured" else "estimated"
        source = self.source if self.source == other.source else f"{self.source}; {other.source}"
        return Energy(self.joules + other.joules, self.low + other.low, self.high + other.high, how, source)

    def __mul__(self, processes: int) -> Energy:
        """Return the energy of this number of processes that work equally long."""
        return Energy(self.joules * processes, self.low * processes, self.high * processes, self.how, self.source)


class Meter:
    """An energy meter that starts when it is created.

    Pass ``alone=False`` if other work is running on this machine. The processor's counters then say nothing about this process,
    and the energy is estimated.
    """

    def __init__(self, *, alone: bool = True) -> None:
        self._counters = _read_counters() if alone else {}
        self._start, self._cpu_start = time.monotonic(), time.process_time()

    def read(self) -> Energy:
        """Return the energy used since the meter was created."""
        now = _read_counters()
        safe_seconds = min((size / 1e6 / MAX_PROCESSOR_WATTS for _, size in self._counters.values()), default=0.0)
        if time.monotonic() - self._start < safe_seconds and set(now) == set(self._counters):
            joules = sum((now[name][0] - before) % size for name, (before, size) in self._counters.items()) / 1e6
            return Energy(joules, joules, joules, "measured", "RAPL, the whole processor")
        seconds = time.process_time() - self._cpu_start
        low, middle, high = (watts * seconds for watts in CORE_WATTS)
        return Energy(middle, low, high, "estimated", f"{seconds:.1f} core seconds at {CORE_WATTS[0]:g} to {CORE_WATTS[2]:g} W")


def _read_counters() -> dict[str, tuple[int, int]]:
    """Return (microjoules so far, value at which the counter overflows) of each processor; empty if they cannot be read."""
    counters = {}
    try:
        for folder in sorted(RAPL.glob("intel-rapl:*")):
            if (folder / "name").read_text().startswith("package"):
                largest = int((folder / "max_energy_range_uj").read_text())
                counters[folder.name] = int((folder / "energy_uj").read_text()), largest + 1
    except (OSError, ValueError):  # another processor or system, or only the administrator may read the counters
        return {}
    return counters


def _with_unit(joules: float) -> str:
    amount, unit = (joules / 1000, "kJ") if joules >= 995 else (joules, "J")
    return f"{amount:,.0f} {unit}" if amount >= 10 else f"{amount:.1f} {unit}"
