"""The environment of measurements: the variables of the child processes, and the machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

#: Prefixes of variables that select the kernels or threads of a library. Libraries are measured with their own choices.
TUNING_PREFIXES = (
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
#: The one variable with such a prefix that has no effect on speed: the folder of the data.
DATA_VARIABLE = "PELLUCID_DATA"


def without_tuning(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables that select kernels and threads."""
    return {name: value for name, value in environment.items() if name == DATA_VARIABLE or not name.startswith(TUNING_PREFIXES)}


def child_environment() -> dict[str, str]:
    """Return the environment of contenders: that of this process without tuning variables, and a path to ``benchmarks``."""
    environment = without_tuning(os.environ)
    root = str(Path(__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH", ""))))
    return environment


def machine() -> dict[str, object]:
    """Return the processor, its caches, the memory, the system and the load at the start of the run; no host or user names."""
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
    """Return a text such as ``Linux 6.1, Debian GNU/Linux 12``, without the name of the kernel's build."""
    version = re.match(r"\d+(\.\d+)*", platform.release())
    name = f"{platform.system()} {version[0]}" if version else platform.system()
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
    """Return the size of each cache of the first core, from Linux; empty on other systems."""
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
