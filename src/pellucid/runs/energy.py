"""The energy of a piece of work: measured where the processor tells it, estimated elsewhere, and it is always said which.

Measured: Intel's and AMD's processors count their energy (RAPL), and Linux shows the count to who may read it. It is that of
the whole processor, whatever else runs on it, without memory, screen and power supply. The count begins again when it is
full; where a processor could have filled it since the last reading, the figure is an estimate.

Estimated: the seconds that this process kept processors busy (two hardware threads of one core count twice), times what a
busy core draws: 4 W in a laptop (28 W of thermal design power on 8 cores, say) to 15 W in a desktop (125 W on 8 cores), 8 W in
the middle as in many servers (150 W on 20). That is an assumption, so an estimate comes with its range.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

RAPL = Path("/sys/class/powercap")
WATTS = 4.0, 8.0, 15.0  # of a busy core: low, middle, high
MOST = 500.0  # watts that a processor may draw: how soon its count can be full


@dataclass(frozen=True)
class Energy:
    """``joules``, from ``low`` to ``high`` (the same where it was measured), and how they came about: "measured" or
    "estimated", and from what."""

    joules: float
    low: float
    high: float
    how: str
    source: str

    def __str__(self) -> str:
        if self.how == "measured":
            return f"{_readable(self.joules)} measured"
        return f"~{_readable(self.joules)} ({_readable(self.low)} to {_readable(self.high)}) estimated"


class Meter:
    """Counts from when it is made: ``Meter().read()`` is the energy since. Where other work runs beside this one, not
    ``alone``, the processor's count says nothing about it, and the energy is estimated."""

    def __init__(self, *, alone: bool = True) -> None:
        self._counts = _counts() if alone else {}
        self._began, self._seconds = time.monotonic(), time.process_time()

    def read(self) -> Energy:
        now = _counts()
        sure = min((most / 1e6 / MOST for _, most in self._counts.values()), default=0.0)
        if time.monotonic() - self._began < sure and set(now) == set(self._counts):
            joules = sum((now[name][0] - before) % most for name, (before, most) in self._counts.items()) / 1e6
            return Energy(joules, joules, joules, "measured", "RAPL, the whole processor")
        seconds = time.process_time() - self._seconds
        low, middle, high = (watts * seconds for watts in WATTS)
        return Energy(middle, low, high, "estimated", f"{seconds:.1f} core seconds at {WATTS[0]:g} to {WATTS[2]:g} W")


def _counts() -> dict[str, tuple[int, int]]:
    """(microjoules so far, where the count begins again) of each processor; empty where nothing may be read."""
    found = {}
    try:
        for folder in sorted(RAPL.glob("intel-rapl:*")):
            if (folder / "name").read_text().startswith("package"):
                most = int((folder / "max_energy_range_uj").read_text())
                found[folder.name] = int((folder / "energy_uj").read_text()), most + 1
    except (OSError, ValueError):  # no such processor or system, or only the administrator may read it
        return {}
    return found


def _readable(joules: float) -> str:
    amount, unit = (joules / 1000, "kJ") if joules >= 995 else (joules, "J")
    return f"{amount:,.0f} {unit}" if amount >= 10 else f"{amount:.1f} {unit}"
