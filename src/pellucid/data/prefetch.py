"""Prefetching: a thread that prepares the next items of a generator while the caller works on the current one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from typing import Generic, TypeVar

T = TypeVar("T")


def prefetched(items: Generator[T, None, None], ahead: int) -> Generator[T, None, None]:
    """Yield the same items; a thread prepares up to ``ahead`` of them in advance.

    An error of ``items`` is raised here, with its traceback, after the items before it. Closing this generator closes
    ``items``, after the item that it is preparing, and ends the thread. The thread starts with the first item.
    """
    worker = _Worker(items, ahead)
    thread = threading.Thread(target=worker.run, name="pellucid-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            with worker.changed:
                worker.changed.wait_for(lambda: worker.ready or worker.ended)
                if not worker.ready:
                    break
                item = worker.ready.popleft()
                worker.changed.notify_all()
            yield item
            del item
    finally:
        with worker.changed:
            worker.stopped = True
            worker.changed.notify_all()
        thread.join()
    if worker.error is not None:
        raise worker.error


class _Worker(Generic[T]):
    """What the two threads share. ``changed`` guards the other attributes."""

    def __init__(self, items: Generator[T, None, None], ahead: int):
        self.items, self.ahead = items, ahead
        self.changed = threading.Condition()
        self.ready: deque[T] = deque()
        self.error: BaseException | None = None
        self.ended = self.stopped = False

    def run(self) -> None:
        try:
            while self._has_room():
                try:
                    item = next(self.items)
                except StopIteration:
                    break
                with self.changed:
                    self.ready.append(item)
                    self.changed.notify_all()
        except BaseException as error:  # raised in the thread of the caller
            self.error = error
        finally:
            try:
                self.items.close()
            except BaseException as error:
                self.error = self.error or error
            with self.changed:
                self.ended = True
                self.changed.notify_all()

    def _has_room(self) -> bool:
        """Wait until another item may be prepared. Returns False if no more are needed."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or len(self.ready) < self.ahead)
            return not self.stopped
