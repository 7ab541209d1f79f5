"""Prefetching: the same items in the same order, errors in their place, and no thread that outlives its generator."""

from __future__ import annotations

import threading

import pytest

from pellucid.data.prefetch import prefetched

NAME = "pellucid-prefetch"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_the_items_are_the_same(ahead):
    assert list(prefetched((i * i for i in range(20)), ahead)) == [i * i for i in range(20)]
    assert not threads()


def test_items_are_prepared_in_another_thread_while_the_caller_works_but_no_more_than_ahead():
    reached, made, where = threading.Event(), [], set()

    def items():
        for i in range(10):
            made.append(i)
            where.add(threading.current_thread().name)
            if i == 3:
                reached.set()
            yield i

    source = prefetched(items(), 3)
    assert next(source) == 0
    assert reached.wait(60), "while the caller works on item 0, items 1 to 3 are prepared"
    assert where == {NAME}
    (thread,) = threads()
    thread.join(0.05)
    assert made == [0, 1, 2, 3]
    source.close()
    assert not threads()


def test_an_error_is_raised_after_the_items_before_it_with_its_traceback():
    def items():
        yield 1
        yield 2
        raise ValueError("from the source")

    source, seen = prefetched(items(), 5), []
    with pytest.raises(ValueError, match="from the source") as caught:
        list(map(seen.append, source))
    assert seen == [1, 2]
    assert caught.traceback[-1].name == "items"
    assert not threads()


def test_closing_closes_the_source_and_ends_the_thread():
    closed = []

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    kept = items()
    source = prefetched(kept, 2)
    next(source)
    source.close()
    assert closed == [True]
    assert not threads()
