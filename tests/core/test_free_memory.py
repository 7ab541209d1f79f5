"""The memory that is left, and the errors where a size needs more."""

from __future__ import annotations

import pytest

from pellucid.core import free_memory
from pellucid.core.free_memory import UNCHECKED, in_words, require_memory
from pellucid.core.memory import aligned_zeros
from pellucid.core.named_arrays import empty
from pellucid.errors import ConfigError, FileError

GIGABYTE = 10**9


@pytest.fixture
def three_gigabytes(monkeypatch):
    """A machine with 3 GB of free memory."""
    monkeypatch.setattr(free_memory, "_of_machine", lambda: 3 * GIGABYTE)
    monkeypatch.setattr(free_memory, "_left_in_cgroups", lambda: None)
    monkeypatch.setattr(free_memory, "_left_in_address_space", lambda: None)


@pytest.mark.usefixtures("three_gigabytes")
def test_what_does_not_fit_is_refused():
    require_memory(3 * GIGABYTE, "a network", "use another")
    with pytest.raises(ConfigError, match=r"^a network needs 3.2 GB of memory, and 3.0 GB are free: use another$"):
        require_memory(3_200_000_000, "a network", "use another")
    with pytest.raises(FileError, match="10\\^400 bytes"):
        require_memory(10**400, "a picture", "use another", FileError)


@pytest.mark.usefixtures("three_gigabytes")
@pytest.mark.parametrize("allocate", [aligned_zeros, lambda n: empty(n, (1,), "f4"), lambda n: empty(n, {"a": (1,)}, "f4")])
def test_no_vector_is_allocated_beyond_the_memory(allocate):
    with pytest.raises(ConfigError, match=r"needs 4.0 GB of memory, and 3.0 GB are free"):
        allocate(GIGABYTE)


def test_the_least_limit_counts(monkeypatch):
    for sizes, expected in (((5, 3, None), 3), ((5, None, 2), 2), ((5, -1, None), 0), ((None, None, None), None)):
        for name, size in zip(("_of_machine", "_left_in_cgroups", "_left_in_address_space"), sizes, strict=True):
            monkeypatch.setattr(free_memory, name, lambda size=size: size)
        assert free_memory.free_memory() == expected
    require_memory(10**30, "a network", "")  # nothing is known, so nothing is checked


def test_small_sizes_are_not_looked_up(monkeypatch):
    monkeypatch.setattr(free_memory, "free_memory", lambda: 0)
    require_memory(UNCHECKED, "a network", "")
    with pytest.raises(ConfigError, match="17 MB"):
        require_memory(UNCHECKED + 1, "a network", "")


def test_this_machine_has_free_memory():
    assert free_memory.free_memory() > UNCHECKED


@pytest.mark.parametrize(
    ("lines", "files", "left"),
    [
        ("0::/job/part\n", {"job/part/memory": ("max", "10", ""), "job/memory": ("900", "500", "inactive_file 100\n")}, 500),
        ("0::/\n", {"memory": ("900", "500", "anon 5\ntotal_inactive_file 7\n")}, 400),
        (
            "5:cpu,memory:/job\n4:cpu:/\n",
            {"memory/job/memory": ("900", "500", "inactive_file 9\ntotal_inactive_file 50\n")},
            450,
        ),
        ("0::/elsewhere\n", {}, None),
    ],
)
def test_the_limits_of_control_groups(tmp_path, monkeypatch, lines, files, left):
    (tmp_path / "cgroup").write_text(lines)
    monkeypatch.setattr(free_memory, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(free_memory, "_OWN_CGROUPS", tmp_path / "cgroup")
    for name, (limit, used, statistics) in files.items():
        stem = tmp_path / "groups" / name
        stem.parent.mkdir(parents=True, exist_ok=True)
        first, second = (".limit_in_bytes", ".usage_in_bytes") if "memory:" in lines else (".max", ".current")
        stem.with_name(stem.name + first).write_text(limit)
        stem.with_name(stem.name + second).write_text(used)
        stem.with_name(stem.name + ".stat").write_text(statistics)
    assert free_memory._left_in_cgroups() == left


def test_sizes_in_words():
    assert [in_words(size) for size in (3_200_000_000, 15_000_000, 4 * 10**12)] == ["3.2 GB", "15 MB", "4,000.0 GB"]
    assert in_words(10**5000) == "10^5000 bytes"
