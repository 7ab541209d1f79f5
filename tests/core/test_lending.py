"""Memory that is lent to arrays and comes back."""

from __future__ import annotations

from pellucid.core.lending import Lender
from pellucid.core.memory import CACHE_LINE, aligned_zeros


def address(a):
    return a.ctypes.data


def test_memory_is_lent_again_when_nothing_refers_to_it():
    lender = Lender(lambda: aligned_zeros(40))
    first = lender.vector()
    place = address(first)
    assert place % CACHE_LINE == 0
    view = first[8:].reshape(4, 8).T[2:, 1:]
    first[:] = 7
    del first
    second = lender.vector()
    assert address(second) != place, "a view still refers to the memory"
    assert (view == 7).all()
    del view
    third = lender.vector()
    assert address(third) == place
    assert not third.any()
    third[0] = 1
    assert not second.any()
