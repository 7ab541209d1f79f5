"""Tests of flat memory: slots begin on cache lines, views write to the vector, padding remains zero."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from pellucid.core import memory
from pellucid.core.memory import CACHE_LINE, HUGE_PAGE, Layout, Slot, aligned_zeros, zero_all
from pellucid.errors import ShapeError
from pellucid.initializers import Zeros

DTYPES = (np.float32, np.float64)


def layout(**shapes: tuple[int, ...]) -> Layout:
    """Return a layout of slots by path, with ``__`` for the dot. Slots called b are exempt from weight decay."""
    return Layout({p.replace("__", "."): Slot(s, Zeros(), decay=not p.endswith("b")) for p, s in shapes.items()})


SOME = layout(dense1__W=(5, 3), dense1__b=(3,), inner1__dense1__W=(3, 16), inner1__dense1__b=(16,), empty=(0, 4), scalar=())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 15, 16, 17, 1000])
def test_vectors_start_on_a_cache_line(size, dtype):
    for _ in range(8):  # NumPy alone would often be 16 or 32 bytes off
        vector = aligned_zeros(size, dtype)
        assert vector.ctypes.data % CACHE_LINE == 0
        assert vector.dtype == dtype
        assert vector.shape == (size,)
        assert not vector.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_slots_start_on_a_cache_line_in_the_order_given(dtype):
    vector = SOME.zeros(dtype)
    starts = [array.ctypes.data for array in SOME.arrays(vector).values() if array.size]
    assert all(start % CACHE_LINE == 0 for start in starts)
    assert starts == sorted(starts)
    assert vector.size == SOME.size == 16 + 16 + 48 + 16 + 0 + 16


def test_slots_do_not_overlap_and_padding_stays_zero():
    vector = SOME.zeros()
    for number, array in enumerate(SOME.arrays(vector).values(), start=1):
        array[...] = number
    for number, (path, slot) in enumerate(SOME.items(), start=1):
        assert (vector == number).sum() == slot.size, path
    assert (vector == 0).sum() == SOME.size - SOME.parameter_count == 16 + 16 + 48 + 16 + 16 - (15 + 3 + 48 + 16 + 1)


def test_all_kinds_of_assignment_write_to_the_vector():
    vector = SOME.zeros()
    p = SOME.views(vector)
    p["dense1"].W = 2  # writes into the array, does not replace it
    p["dense1"].b[1] = 3
    p["inner1"]["dense1"].b += 4
    arrays = SOME.arrays(vector)
    assert (arrays["dense1.W"] == 2).all()
    assert arrays["dense1.b"].tolist() == [0, 3, 0]
    assert (arrays["inner1.dense1.b"] == 4).all()
    vector[:] = 5
    assert p["dense1"].W[4, 2] == p.scalar == 5


def test_an_unknown_slot_is_refused_with_a_list_of_the_slots():
    p = SOME.views(SOME.zeros())
    with pytest.raises(AttributeError, match=r"no slot 'w'; the slots of build\(\) are: W, b"):
        p["dense1"].w = 1
    with pytest.raises(ValueError, match="broadcast"):
        p["dense1"].W = np.ones((3, 5))
    with pytest.raises(AttributeError):
        p["relu1"].W = 1


def test_a_layer_without_slots_has_empty_views():
    p = SOME.views(SOME.zeros())
    assert p["dense1"]
    assert not p["relu1"]
    assert not p["relu1"]["anything"]


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(ShapeError, match="a vector of 112 elements"):
        SOME.views(np.zeros(111, np.float32))


def test_ranges_join_adjacent_slots():
    apart = layout(a__W=(5,), a__b=(16,), b__W=(16,), c__W=(3,), d__W=(2,))
    assert apart.ranges(lambda slot: slot.decay) == [slice(0, 5), slice(32, 66)]
    assert apart.ranges(lambda slot: not slot.decay) == [slice(16, 32)]
    assert apart.ranges(lambda slot: True) == [slice(0, 66)]
    assert apart.ranges(lambda slot: False) == []


def test_ranges_contain_exactly_the_chosen_slots():
    rng = np.random.default_rng(0)
    for _ in range(50):
        slots = {f"s{i}": Slot((int(rng.integers(0, 40)),), Zeros(), decay=bool(rng.integers(2))) for i in range(8)}
        some = Layout(slots)
        vector = some.zeros()
        for part in some.ranges(lambda slot: slot.decay):
            vector[part] = 1
        for path, array in some.arrays(vector).items():
            assert (array == slots[path].decay).all()


def test_the_table_contains_shapes_in_order():
    assert layout(a__W=(2, 3), a__b=(3,)).table() == {"a.W": [2, 3], "a.b": [3]}
    one, other = layout(a=(1,), c=(2,)).table(), layout(c=(2,), a=(1,)).table()
    assert list(one) != list(other)  # equal as dictionaries, so the order must be compared as well
    assert list(SOME) == list(SOME.table())
    assert len(SOME) == 6


def test_slots_that_are_not_trained_come_last():
    names = {"a.W": (5, True), "b.W": (20, False), "c.W": (3, True), "d.e.W": (2, False)}
    some = Layout({path: Slot((n,), Zeros(), trained=trained) for path, (n, trained) in names.items()})
    assert some.offsets == {"a.W": 0, "c.W": 16, "b.W": 32, "d.e.W": 64}
    assert (some.trained_size, some.size, list(some)) == (32, 80, list(names))
    assert some.ranges(lambda slot: slot.trained) == [slice(0, 19)]
    assert some.ranges(lambda slot: not slot.trained) == [slice(32, 66)]
    vector = some.zeros()
    p = some.views(vector)
    p["d"]["e"].W = 7
    assert vector[64:66].tolist() == [7, 7]
    assert [bool(p[name]) for name in "abcd"] == [True, False, True, False]
    assert p
    assert not Layout({"W": Slot((3,), Zeros(), trained=False)}).views(np.zeros(16, np.float32))
    zero_all(p)
    assert not vector.any()


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system has no huge pages that can be asked for")
def test_large_vectors_are_in_huge_pages_at_different_places():
    some = layout(W=(HUGE_PAGE // 8,))
    vectors = [some.zeros(dtype) for dtype in (np.float32, np.float32, np.float32, np.float64)]
    places = [vector.ctypes.data % HUGE_PAGE for vector in vectors]
    assert len(set(places)) == len(places)
    for vector, place in zip(vectors, places, strict=True):
        assert place % CACHE_LINE == 0
        assert place < HUGE_PAGE // 4
        assert vector.flags.writeable
        assert not vector.any()
        vector += 1
    assert all((vector == 1).all() for vector in vectors)


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system has no huge pages that can be asked for")
def test_whole_huge_pages_are_counted(monkeypatch):
    needed = []
    monkeypatch.setattr(memory, "require_memory", lambda size, what, advice: needed.append(size))
    layout(W=(HUGE_PAGE // 8,)).zeros()
    layout(W=(HUGE_PAGE,)).zeros()
    aligned_zeros(HUGE_PAGE, np.uint8)
    assert needed[0] == HUGE_PAGE
    assert needed[1] in (4 * HUGE_PAGE, 5 * HUGE_PAGE), "the place at which the vector begins may need one more"
    assert needed[2:] == [HUGE_PAGE]


@pytest.mark.parametrize("failing", ["mmap", "madvise"])
def test_large_vectors_without_huge_pages(monkeypatch, failing):
    class Block:
        def __init__(self, *arguments, **named):
            if failing == "mmap":
                raise OSError("no memory")

        def madvise(self, advice):
            raise OSError("no such advice")

    monkeypatch.setattr(mmap, "mmap", Block)
    vector = layout(W=(HUGE_PAGE,)).zeros()
    assert vector.size == HUGE_PAGE
    assert vector.ctypes.data % CACHE_LINE == 0
    assert not vector.any()
