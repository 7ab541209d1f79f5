"""Make the pictures of the README: a training in a terminal, the drawing mode, and a digit that is drawn stroke by stroke.

    python docs/scripts/pictures.py             all of them: img/run.svg, img/draw.png and img/drawing.gif
    python docs/scripts/pictures.py drawing.gif

The output of the command is what it prints to a terminal. The page is that of ``pellucid draw`` with the two networks of the
package, in Chromium (extra ``dev``); the mouse draws, and nothing in it is changed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IMG = ROOT / "docs" / "img"
COMMAND = "pellucid train mnist --model mlp --epochs 6 --out runs/mlp"
COLUMNS = 108
FOUR = [[(630, 115), (300, 600), (815, 600)], [(605, 380), (590, 920)]]
# A 3, and after it the stroke that makes an 8 of it; units of 0 to 1000.
THREE = [(330, 200), (420, 130), (540, 115), (640, 170), (665, 270), (610, 370), (500, 440), (610, 490), (690, 590), (690, 720),
         (610, 830), (480, 875), (360, 840), (300, 770)]  # fmt: skip
CLOSING = [(330, 200), (322, 240), (320, 300), (360, 390), (450, 440), (500, 445), (400, 500), (320, 590),
           (285, 690), (300, 770)]  # fmt: skip


# -- a training in a terminal ------------------------------------------------------------------------------------------


def terminal_output(command: str) -> str:
    """Run a command in a terminal, in an empty folder, and return what it leaves on the screen, with its colours."""
    import pty

    with tempfile.TemporaryDirectory() as folder:
        pid, terminal = pty.fork()
        if not pid:
            os.chdir(folder)
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", COLUMNS=str(COLUMNS), LINES="50")
            if data := os.environ.get("PELLUCID_DATA"):  # a path that is the same everywhere, because the command prints it
                Path("data").mkdir()
                Path("data", "mnist").symlink_to(data)
                os.environ["PELLUCID_DATA"] = "data/mnist"
            os.execv(sys.executable, [sys.executable, "-m", *command.split()])
        written = bytearray()
        with contextlib.suppress(OSError):  # the end of a terminal
            while part := os.read(terminal, 1 << 16):
                written += part
        if os.waitpid(pid, 0)[1]:
            sys.exit(f"{command}\n{written.decode()}")
    return screen(written.decode())


def screen(written: str) -> str:
    """Return the lines that remain of what was written to a terminal: a progress bar erases its line before it writes again.

    Raises ValueError for what is not understood: other movements of the cursor, and text over a line that is not erased.
    """
    lines, row, returned = [""], 0, False  # whether the cursor is at the beginning of its line
    for part in re.split(r"(\r\n|\r|\n|\x1b\[\d*[A-LN-Zl]|\x1b\[\?\d+[hl])", written):
        if part in ("\r\n", "\n"):
            row, returned = row + 1, True
            lines += [""] * (row == len(lines))
        elif moved := re.fullmatch(r"\x1b\[(\d*)A", part):
            row -= int(moved[1] or 1)
        elif part == "\r":
            returned = True
        elif part == "\x1b[2K":
            lines[row] = ""
        elif re.match(r"\x1b\[(?!\?|[\d;]*m)", part):
            raise ValueError(f"what does {part!r} mean?")
        elif part and not part.startswith("\x1b[?"):  # text, with its colours
            if returned and lines[row]:
                raise ValueError(f"{part!r} is written over {lines[row]!r}")
            lines[row], returned = lines[row] + part, False
    return "\n".join(lines).rstrip()


def terminal_picture(command: str) -> str:
    """Return a command and its output as an SVG file, drawn by Rich, which loads no font from elsewhere."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    console.print(Text.from_ansi(terminal_output(command)))
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    template = template.replace("Fira Code, monospace", "'DejaVu Sans Mono', Menlo, Consolas, monospace")
    made = console.export_svg(title="A training with Pellucid", code_format=template, unique_id="run")
    label = f"The output of {command}, as text: the data, the network, a line for each epoch, and the results"
    return made.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


# -- the drawing mode --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def drawing_page(width: int, height: int) -> Iterator[Any]:
    """Serve the drawing mode from an empty folder, and open it in a browser."""
    sys.path.insert(0, str(ROOT))
    from tests.browser import chromium

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pellucid", "draw", "--no-open", "--port", "0"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
                with chromium() as browser:
                    page = browser.new_page(viewport={"width": width, "height": height})
                    page.goto(address)
                    page.wait_for_selector(".pad canvas")
                    yield page
            finally:
                server.terminate()


class Answers:
    """Counts the predictions that a page still waits for."""

    def __init__(self, page: Any):
        self.page, self.missing = page, 0
        page.on("request", lambda request: self._count(request, 1))
        for event in ("requestfinished", "requestfailed"):
            page.on(event, lambda request: self._count(request, -1))

    def _count(self, request: Any, step: int) -> None:
        self.missing += step * request.url.endswith("/api/predict")

    def wait(self) -> None:
        """Wait until the answer for what is drawn is on the page, which asks again when an answer is there."""
        from tests.browser import settle

        quiet = 0
        while quiet < 3:
            settle(self.page)
            quiet = 0 if self.missing else quiet + 1


def draw_picture() -> bytes:
    """Return the tab Draw with a 4 as PNG."""
    with drawing_page(1280, 900) as page:
        from tests.browser import draw

        answers = Answers(page)
        draw(page, FOUR)
        answers.wait()
        page.mouse.move(1279, 899)
        return small_png(page.screenshot())


def small_png(data: bytes) -> bytes:
    """Return a screenshot, which has few colours, as a PNG with a palette."""
    from PIL import Image

    file = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def drawing_animation() -> bytes:
    """Return a GIF: a 3 is drawn, and becomes an 8, while the probabilities change. It plays four times, and then rests."""
    from PIL import Image

    frames: list[Any] = []
    times: list[int] = []
    with drawing_page(1000, 700) as page:
        frame, answers = page.locator(".pad canvas").bounding_box(), Answers(page)

        def place(point: tuple[float, float]) -> tuple[float, float]:
            return frame["x"] + point[0] / 1000 * frame["width"], frame["y"] + point[1] / 1000 * frame["height"]

        def keep(milliseconds: int) -> None:
            answers.wait()
            frames.append(Image.open(io.BytesIO(page.screenshot(clip=CLIP))).convert("RGB"))
            times.append(milliseconds)

        keep(600)
        for stroke in (THREE, CLOSING):
            path = smooth(stroke)
            page.mouse.move(*place(path[0]))
            page.mouse.down()
            for i, point in enumerate(path[1:], start=1):
                page.mouse.move(*place(point))
                if i % POINTS_PER_FRAME == 0:
                    keep(90)
            page.mouse.up()
            keep(1500 if stroke is THREE else 3000)
    # one palette for all frames, so that only what has changed is stored
    palette = frames[-1].quantize(64, dither=Image.Dither.NONE)
    small = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in frames]
    file = io.BytesIO()
    small[0].save(file, "GIF", save_all=True, append_images=small[1:], duration=times, loop=3, optimize=True)
    return file.getvalue()


def smooth(stroke: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points on a smooth curve through those of a stroke (Catmull and Rom, 1974), six between two of them."""
    ends = [stroke[0], *stroke, stroke[-1]]
    path = [(float(stroke[0][0]), float(stroke[0][1]))]
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for t in (k / 6 for k in range(1, 7)):
            x, y = (
                q + t / 2 * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)))
                for p, q, r, s in zip(a, b, c, d, strict=True)
            )
            path.append((x, y))
    return path


POINTS_PER_FRAME = 2
CLIP = {"x": 0, "y": 0, "width": 1000, "height": 556}
PICTURES = {
    "run.svg": lambda: terminal_picture(COMMAND).encode(),
    "draw.png": draw_picture,
    "drawing.gif": drawing_animation,
}

if __name__ == "__main__":
    if not shutil.which("chromium"):
        print("without Chromium, only run.svg can be made")
    for name in sys.argv[1:] or PICTURES:
        data = PICTURES[name]()
        (IMG / name).write_bytes(data)
        print(f"{len(data) / 1024:6.1f} KiB  img/{name}")
