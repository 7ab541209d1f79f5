"""The surroundings of a measurement: the variables a child process sees, and the machine it ran on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

#: Variables that choose a library's kernels or threads. A measurement must show what a library does by itself.
CHOOSERS = (
    "OPENBLAS_",
    "OMP_",
    "MKL_",
    "GOTO_",
    "NUMEXPR_",
    "VECLIB_",
    "KMP_",
    "TF_NUM_",
    "PELLUCID_",
    "NVPL_",
    "XLA_",
)
#: The one variable with such a name that says where data lies and nothing about speed.
DATA_VARIABLE = "PELLUCID_DATA"


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables by which kernels and threads are chosen."""
    return {name: value for name, value in environment.items() if name == DATA_VARIABLE or not name.startswith(CHOOSERS)}


def child_environment() -> dict[str, str]:
    """What contenders run in: this process's environment, cleaned, with ``benchmarks`` importable from anywhere."""
    environment = cleaned(os.environ)
    root = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH", ""))))
    return environment


def machine() -> dict[str, object]:
    """The processor, its caches, the memory, the system and the load when the run began. No names of hosts or users."""
    facts: dict[str, object] = {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "caches": _caches(),
        "memory_gib": _memory_gib(),
        "system": _system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    if hasattr(os, "getloadavg"):
        facts["load"] = [round(value, 2) for value in os.getloadavg()]
    return facts


def _system() -> str:
    """``Linux 6.1, Debian GNU/Linux 12``: the kernel's version is told, the name of its build is not."""
    numbers = re.match(r"\d+(\.\d+)*", platform.release())
    name = f"{platform.system()} {numbers[0]}" if numbers else platform.system()
    try:
        return f"{name}, {platform.freedesktop_os_release()['PRETTY_NAME']}"
    except (OSError, KeyError):
        return name


def _cpu_model() -> str:
    try:
        found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _caches() -> dict[str, str]:
    """Size of each cache of the first core, as Linux tells it; empty elsewhere."""
    sizes = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        sizes[f"L{level} {kind.lower()}"] = size
    return sizes


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None
