"""The speed of the drawing mode: ``python -m benchmarks.page RUN RUN``.

Measured in a browser: the time from a pen event to the painted predictions of two networks, while nothing else runs and during
a training; the time from a key press to the painted answer of the tab Text; the time to the first paint; the frames per second
of the network diagram during a drawing. Measured without a browser: the time from the command to the first answer with the
networks loaded; requests with too large bodies; a hundred clients at once. Requires Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.environment import child_environment, machine

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
SEVEN = [[250, 200], [500, 190], [750, 200], [600, 500], [450, 850]]
CODE = "from pellucid.cli import main; main()"
# Sends a pointer event and returns the milliseconds until a frame with the answer is painted.
PEN_EVENT = """async ([x, y, kind]) => {
    const pad = document.querySelector('.pad canvas'), frame = pad.getBoundingClientRect();
    const section = document.querySelector('#draw');
    const answered = new Promise((done) => new MutationObserver((_, observer) => { observer.disconnect(); done(); })
        .observe(section, {attributeFilter: ['data-answered']}));
    const began = performance.now();
    pad.dispatchEvent(new PointerEvent(kind, {pointerId: 1, button: 0, bubbles: true, isPrimary: true,
        clientX: frame.x + x / 1000 * frame.width, clientY: frame.y + y / 1000 * frame.height}));
    if (kind === 'pointerup') return 0;
    await answered;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    return performance.now() - began;
}"""
# Appends a letter to the text and returns the milliseconds until a frame with the answer is painted.
KEY_PRESS = """async (letter) => {
    const field = document.querySelector('#text textarea'), section = document.querySelector('#text');
    const answered = new Promise((done) => new MutationObserver((_, observer) => { observer.disconnect(); done(); })
        .observe(section, {attributeFilter: ['data-answered']}));
    const began = performance.now();
    field.value += letter;
    field.dispatchEvent(new Event('input', {bubbles: true}));
    await answered;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))));
    return performance.now() - began;
}"""
TEXT = "O, she doth teach the torches to burn bright! It seems she hangs upon the cheek of night"

FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
# Draws a digit again and again for four seconds and returns the frames per second of the diagram.
FRAME_RATE = """async (points) => {
    const pad = document.querySelector('.pad canvas'), frame = pad.getBoundingClientRect();
    const canvas = document.querySelector('.diagram canvas');
    const send = (kind, x, y) => pad.dispatchEvent(new PointerEvent(kind, {pointerId: 1, button: 0, bubbles: true,
        isPrimary: true, clientX: frame.x + x / 1000 * frame.width, clientY: frame.y + y / 1000 * frame.height}));
    send('pointerdown', ...points[0]);
    await new Promise((done) => setTimeout(done, 500));
    const before = Number(canvas.dataset.frames), began = performance.now();
    for (let i = 0; performance.now() - began < 4000; i++) {
        const t = (i % 200) / 200 * (points.length - 1), k = Math.floor(t), part = t - k, [a, b] = [points[k], points[k + 1]];
        send('pointermove', a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part);
        await new Promise((done) => setTimeout(done, 8));
    }
    return 1000 * (Number(canvas.dataset.frames) - before) / (performance.now() - began);
}"""


def start(runs: list[str], folder: Path) -> tuple[subprocess.Popen[str], int, float]:
    """Start a server; return it, its port, and the seconds until it answered with its networks loaded."""
    began = time.perf_counter()
    command = [sys.executable, "-c", CODE, "draw", "--no-open", "--port", "0", *runs]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=child_environment())
    assert server.stdout is not None
    match = re.search(r":(\d+)/", server.stdout.readline())
    assert match is not None
    port = int(match[1])
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/api/networks")
            assert len(json.loads(connection.getresponse().read())["networks"]) >= len(runs)
            return server, port, time.perf_counter() - began
        except OSError:
            time.sleep(0.01)


def send(port: int, path: str, body: bytes) -> tuple[int, float]:
    """Send a request; return the status and the milliseconds."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status, 1000 * (time.perf_counter() - began)


def at_once(port: int, clients: int = 100, each: int = 5) -> dict[str, Any]:
    """Send requests of many clients at the same time; return the number of answers and the times."""
    body, answers, go = json.dumps({"strokes": [SEVEN]}).encode(), list[tuple[int, float]](), threading.Barrier(clients)

    def client() -> None:
        go.wait()
        for _ in range(each):
            try:
                answers.append(send(port, "/api/predict", body))
            except OSError:
                answers.append((0, 0.0))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answered = sum(status == 200 for status, _ in answers)
    return {"requests": clients * each, "answered": answered, **spread([ms for _, ms in answers])}


def spread(values: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]}


def pen_times(page: Any, strokes: int) -> list[float]:
    """Return the milliseconds from each pen event to the painted answer."""
    times = []
    for number in range(strokes):
        page.get_by_role("button", name="Clear").click()
        page.evaluate(PEN_EVENT, [*SEVEN[0], "pointerdown"])
        for (x0, y0), (x1, y1) in itertools.pairwise(SEVEN):
            for k in range(1, 6):
                place = [x0 + (x1 - x0) * k / 5, y0 + (y1 - y0) * k / 5 + number % 3]
                times.append(page.evaluate(PEN_EVENT, [*place, "pointermove"]))
        page.evaluate(PEN_EVENT, [*SEVEN[-1], "pointerup"])
    return times


def key_times(page: Any, port: int) -> list[float]:
    """Return the milliseconds from each key press to the painted answer of the tab Text, for the network of the package.

    The answer is drawn in the frame after the one in which it arrives. The window of the network, 64 characters, is full.
    """
    page.goto(f"http://127.0.0.1:{port}/#text")
    page.wait_for_selector("#text[data-answered]")
    page.locator("#text select").select_option("shakespeare")
    page.locator("#text textarea").fill(TEXT)
    page.wait_for_function("(text) => document.querySelector('#text').dataset.text === text", arg=TEXT)
    return [page.evaluate(KEY_PRESS, letter) for letter in TEXT]


def frame_rate(page: Any, port: int, network: str) -> float:
    """Return the frames per second of the diagram while a digit is drawn."""
    page.goto(f"http://127.0.0.1:{port}/#inside")
    page.locator("#inside select").select_option(network)
    page.wait_for_timeout(500)
    count: float = page.evaluate(FRAME_RATE, SEVEN)
    return count


def main() -> None:
    """Measure everything and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs=2, help="two run folders: an MLP and a convolutional network")
    parser.add_argument("--strokes", type=int, default=20, help="the number of digits drawn, with 20 pen events each")
    parser.add_argument("--out", type=Path, help="write the results to this JSON file")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    runs = [str(Path(run).resolve()) for run in options.runs]
    results: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        starts = []
        for _ in range(5):
            server, port, seconds = start(runs, folder)
            starts.append(seconds)
            server.terminate()
            server.wait()
        results["ready_s"] = statistics.median(starts)
        server, port, _ = start(runs, folder)
        stack.callback(server.terminate)
        large = json.dumps({"strokes": [[[1.5, 2.5]] * 9000]}).encode()
        refused = [send(port, "/api/predict", large) for _ in range(40)]
        assert {status for status, _ in refused} == {413}
        results["large_body_refused_ms"] = spread([ms for _, ms in refused])
        results["at_once"] = at_once(port)
        with sync_playwright() as play:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = play.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            paints = []
            for _ in range(5):
                page.goto(f"http://127.0.0.1:{port}/")
                page.wait_for_selector(".prediction")
                paints.append(page.evaluate(FIRST_PAINT))
            results["first_paint_s"] = statistics.median(paints)
            results["key_ms"] = spread(key_times(page, port))
            page.goto(f"http://127.0.0.1:{port}/")
            page.wait_for_selector(".prediction")
            pen_times(page, 2)
            results["pen_ms"] = spread(pen_times(page, options.strokes))
            training = json.dumps({"data": "mnist", "model": "cnn", "epochs": 12}).encode()
            assert send(port, "/api/train/start", training)[0] == 200
            page.wait_for_timeout(15_000)
            results["pen_while_training_ms"] = spread(pen_times(page, options.strokes))
            stop = json.dumps({"job": 1, "action": "stop"}).encode()
            assert send(port, "/api/train/control", stop)[0] == 200, "the training ended too early"
            page.wait_for_timeout(12_000)
            results["diagram_frames_a_second"] = frame_rate(page, port, Path(runs[0]).name)
            browser.close()
    if options.out is not None:
        options.out.write_text(json.dumps(results, indent=2))
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
