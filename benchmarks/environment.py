"""The environment of measurements: the variables of the child processes, and the machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
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
    "NUMBA_",
    "DNNL_",
    "ONEDNN_",
    "TF_ENABLE_ONEDNN_",
    "ATEN_",
)
DATA_VARIABLE = "PELLUCID_DATA"
#: The variables with such a prefix that have no effect on speed: folders.
KEPT = (DATA_VARIABLE, "NUMBA_CACHE_DIR")


def without_tuning(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables that select kernels and threads."""
    return {name: value for name, value in environment.items() if name in KEPT or not name.startswith(TUNING_PREFIXES)}


def child_environment(source: Path | None = None) -> dict[str, str]:
    """Return the environment of contenders: that of this process without tuning variables, and a path to ``benchmarks``.

    ``source`` is a folder of packages that comes before all others.
    """
    environment = without_tuning(os.environ)
    root, first = str(Path(__file__).resolve().parents[1]), "" if source is None else str(source.resolve())
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (first, root, environment.get("PYTHONPATH", ""))))
    return environment


def machine() -> dict[str, object]:
    """Return the processor, its caches, the memory, the system and the load at the start of the run; no host or user names."""
    facts: dict[str, object] = {
        "cpu": _cpu_model(),
        "cores": cores(),
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


def usable_cores() -> Sequence[int]:
    """Return the numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(usable_cores())


def _caches(cpu: int = 0) -> dict[str, str]:
    """Return the size of each cache of a core, from Linux; empty on other systems."""
    return {name: facts["size"] for name, facts in _cache_facts(cpu).items()}


def _cache_facts(cpu: int) -> dict[str, dict[str, str]]:
    found = {}
    for folder in sorted(Path(f"/sys/devices/system/cpu/cpu{cpu}/cache").glob("index*")):
        try:
            facts = {name: (folder / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")}
        except OSError:
            continue
        found[f"L{facts['level']} {facts['type'].lower()}"] = facts
    return found


def cache_capacities() -> dict[str, int]:
    """Return the bytes of each cache level for data, in all cores of this process together: ``L1``, ``L2``, ``L3``.

    A cache that several cores share counts once. Where the system does not tell, usual sizes are assumed.
    """
    caches: dict[str, dict[str, int]] = {}
    for cpu in usable_cores():
        for facts in _cache_facts(cpu).values():
            if facts["type"] != "Instruction":
                caches.setdefault(f"L{facts['level']}", {})[facts["shared_cpu_list"]] = _bytes(facts["size"])
    if not caches:
        return {"L1": cores() * (32 << 10), "L2": cores() * (1 << 20), "L3": 16 << 20}
    return {level: sum(sizes.values()) for level, sizes in sorted(caches.items())}


def _bytes(size: str) -> int:
    """Return the bytes of a size such as ``32K``."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(size[:-1]) * units[size[-1]] if size[-1] in units else int(size)


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None
