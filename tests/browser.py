"""Chromium for tests of pages: how it is started, and drawing on a pad."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

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
