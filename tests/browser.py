"""Chromium for tests of pages: how it is started, and drawing on a pad."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping

import pytest

LIMIT = 120.0  # seconds: no test takes so long to find what it waits for, on a busy machine either; only a failure does

# Chromium in a container: without a sandbox, a graphics card, and requests to its vendor.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextlib.contextmanager
def chromium() -> Iterator[object]:
    """The Chromium of the system. Without it, the tests that need it are skipped, or fail in CI."""
    path = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if path is None or sync_playwright is None:
        why = "there is no Chromium" if path is None else "Playwright is not installed"
        if os.environ.get("CI"):
            pytest.fail(f"{why}: the page cannot be tested")
        pytest.skip(f"{why}: the page is not tested")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Pages:
    """Pages that one test after another uses: a new page, with its process, takes a third of a second.

    A page with a touch screen, and one whose clock, answers or listeners the test changes (``own=True``), belongs to one test.
    """

    def __init__(self, browser):
        self._browser = browser
        self._free: list[object] = []
        self._open: list[tuple[object, Mapping[str, Callable[..., object]], bool]] = []

    def open(
        self,
        address: str,
        listeners: Mapping[str, Callable[..., object]],
        *,
        width: int = 1280,
        height: int = 900,
        scheme: str = "light",
        touch: bool = False,
        own: bool = False,
    ):
        """Open the address in a page with this size and colour scheme, with listeners by the names of their events."""
        own = own or touch
        # Each page has a context, and so a window, of its own: only the foremost page of a window draws frames.
        page = self._free.pop() if self._free and not own else self._browser.new_context(has_touch=touch).new_page()
        self._open.append((page, listeners, own))
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme, reduced_motion="null")
        page.set_default_timeout(1000 * LIMIT)
        for event, listener in listeners.items():
            page.on(event, listener)
        page.goto(address)
        return page

    def end_test(self) -> None:
        """Empty the pages for the next test, and close those that belong to this one."""
        while self._open:
            page, listeners, own = self._open.pop()
            page.evaluate("0")  # what the last action has caused reaches the listeners before the answer
            for event, listener in listeners.items():
                page.remove_listener(event, listener)
            if own:
                page.context.close()
            else:
                page.mouse.up()
                page.mouse.move(0, 0)
                page.goto("about:blank")
                self._free.append(page)


def settle(page) -> None:
    """Wait until the page has drawn two more frames: what the last answer or event has changed is painted."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def draw(page, strokes, *, touch: bool = False) -> None:
    """Draw on the pad, in units of 0 to 1000, with the mouse or a finger."""
    frame = page.locator(".pad canvas").bounding_box()

    def place(point):
        return frame["x"] + point[0] / 1000 * frame["width"], frame["y"] + point[1] / 1000 * frame["height"]

    if touch:
        session = page.context.new_cdp_session(page)
        for stroke in strokes:
            for i, point in enumerate(stroke):
                x, y = place(point)
                kind = "touchMove" if i else "touchStart"
                session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
            session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        return
    for stroke in strokes:
        page.mouse.move(*place(stroke[0]))
        page.mouse.down()
        for point in stroke[1:]:
            page.mouse.move(*place(point), steps=6)
        page.mouse.up()
