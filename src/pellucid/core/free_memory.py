"""The memory that this process can still get, and the check before something large is allocated.

Sizes come from files, forms and command lines. NumPy may return an array that is larger than the memory, and the process is
killed when it writes to it; or it raises a MemoryError far from the size that is wrong. So the code that knows what a size
is for computes what it needs, and calls :func:`require_memory` before it allocates anything.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pellucid.errors import ConfigError, PellucidError

UNCHECKED = 1 << 24  # bytes: less is allocated without a check
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def require_memory(needed: int, what: str, advice: str, error: type[PellucidError] = ConfigError) -> None:
    """Raise ``error`` if the process cannot get ``needed`` bytes.

    ``what`` begins the message: it names what needs the memory. ``advice`` ends it: what to make smaller. Where the system does
    not say how much memory there is, nothing is checked.
    """
    if needed <= UNCHECKED:
        return
    free = free_memory()
    if free is not None and needed > free:
        raise error(f"{what} needs {in_words(needed)} of memory, and {in_words(free)} are free: {advice}")


def free_memory() -> int | None:
    """Return how many bytes this process can still get, or None where the system does not say.

    That is the free memory of the machine, swap space included, or what the limits of its control groups (containers, jobs of
    a cluster) and of its address space leave, whichever is least.
    """
    known = [size for size in (_of_machine(), _left_in_cgroups(), _left_in_address_space()) if size is not None]
    return max(0, min(known)) if known else None


def in_words(size: int) -> str:
    """Return a number of bytes for a message: ``3.2 GB``, ``15 MB``, and beyond all memory ``10^30 bytes``."""
    if size >= 10**18:
        return f"10^{int(math.log10(size))} bytes"  # Python refuses to print very long integers
    return f"{size / 1e9:,.1f} GB" if size >= 10**8 else f"{size / 1e6:,.0f} MB"


def _of_machine() -> int | None:
    """Return the free memory of the machine: on Linux without caches that can be dropped, elsewhere all of its memory."""
    try:
        fields = re.findall(r"^(MemAvailable|SwapFree): *(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
        if fields:
            return sum(int(kilobytes) for _, kilobytes in fields) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        return None


def _left_in_cgroups() -> int | None:
    """Return what the least limit of the control groups of this process leaves, in either version; None without a limit."""
    found = []
    for folder, limit_name, usage_name, cache_name in _cgroups():
        try:
            limit = int((folder / limit_name).read_text())
            used = int((folder / usage_name).read_text())
            cache = re.search(rf"^{cache_name} (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
        except (OSError, ValueError):  # not in this folder, or "max"
            continue
        found.append(limit - used + (int(cache[1]) if cache else 0))
    return min(found, default=None)


def _cgroups() -> Iterator[tuple[Path, str, str, str]]:
    """Yield the folders of the control groups of this process, those above included, with the names of their files."""
    try:
        lines = _OWN_CGROUPS.read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if not controllers:
            names = ("memory.max", "memory.current", "inactive_file")
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            yield (folder, *names)
            if folder == root:
                break


def _left_in_address_space() -> int | None:
    """Return what the limit of the address space (``ulimit -v``) leaves, or None without a limit."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        return limit - int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, AttributeError, OSError, ValueError):  # other systems than Linux
        return None
