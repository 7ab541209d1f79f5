"""Run the code of pages of the documentation, and keep the figures that it saves beside the pages.

    python docs/scripts/figures.py              all pages with such figures; about a minute
    python docs/scripts/figures.py gallery      one page

A link ``![…](img/PAGE/NAME.svg)`` in PAGE.md shows the figure that the code of this page saves as NAME.svg or NAME.png. The
script writes the file, with colours that follow the reader's scheme, and the alternative text of the figure into the link.
The file contains the digest of the code that made it, by which tests/test_figures_of_pages.py finds a file that is out of date.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
LINK = re.compile(r"!\[([^\]]*)\]\(img/([\w-]+)/([\w-]+)\.svg\)")
DIGEST = re.compile(r"<!-- made by code with the digest (\w+) -->")


def linked(page: Path) -> dict[str, str]:
    """Return the figures that a page shows and makes: their names, and their alternative texts in the page."""
    return {name: text for text, of, name in LINK.findall(page.read_text(encoding="utf-8")) if of == page.stem}


def pages() -> list[Path]:
    """Return the pages that show figures of their own code."""
    return [page for page in sorted(DOCS.glob("*.md")) if linked(page)]


def blocks(page: Path) -> list[str]:
    """Return the Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def digest(page: Path, name: str) -> str:
    """Return the digest of the code of a page from its beginning to the end of the block that saves a figure.

    Raises SystemExit if no block does.
    """
    code = ""
    for block in blocks(page):
        code += block
        if re.search(rf'"{name}\.(svg|png)"', block):
            return hashlib.sha256(code.encode()).hexdigest()[:16]
    sys.exit(f"{page.name} shows the figure {name}, but no block of its code saves it")


def run(page: Path, save: Callable[[Any, Any], None]) -> None:
    """Run the code of a page in an empty folder, with ``save`` in the place of ``plots.save``."""
    from pellucid import plots

    original, before = plots.save, os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        plots.save = save
        try:
            space: dict[str, Any] = {"__name__": "page"}
            for block in blocks(page):
                exec(compile(block, page.name, "exec", dont_inherit=True), space)
        finally:
            plots.save = original
            os.chdir(before)


def small_svg(figure: Any, name: str, digest: str) -> str:
    """Return a figure as a small SVG file, whose colours follow the reader's scheme."""
    from pellucid.plots import alt
    from pellucid.plots.style import with_svg_label
    from pellucid.report import svg
    from pellucid.report.adaptive import adaptive

    text = re.sub(r"<metadata>.*?</metadata>", "", svg(figure, name), flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text[text.index("<svg ") :], flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]*(; ?)?", "", text)  # in each label; once for all of them below
    text = re.sub(r' transform="rotate\(-0 [^"]*"', "", text)
    text = re.sub(r'<g id="(?!cell-)[^"]*"', "<g", text)
    # coordinates in points: hundredths for marks, which are defined once and small, and tenths elsewhere
    coordinates = r'(<path id="[^"]*" )?(?<= )(?:d|x|y)="[^"]*"'
    text = re.sub(coordinates, lambda match: shorter(match[0], 1 if match[1] is None else 2), text)
    text = re.sub(r"\s*\n\s*", "\n", adaptive(text))
    start = text.index(">") + 1
    root = with_svg_label(text[:start], alt(figure)).replace("<svg ", f'<svg font-family="{FONTS}" ', 1)
    return f"{root}<!-- made by code with the digest {digest} -->{text[start:]}"


FONTS = "DejaVu Sans,Verdana,sans-serif"  # Matplotlib lays labels out in the first one; the second is as wide


def shorter(attribute: str, digits: int) -> str:
    """Return an attribute of an SVG element with so many digits after the points of its numbers, and with few spaces."""
    rounded = re.sub(r"-?\d+\.\d+", lambda match: f"{round(float(match[0]), digits):g}", attribute)
    return re.sub(r"\s*\b([MLQCz])\s*", r"\1", rounded)


def make(page: Path) -> None:
    """Write the figures of a page, and their alternative texts into the page."""
    from pellucid.plots import alt

    names, texts = linked(page), {}
    folder = DOCS / "img" / page.stem
    folder.mkdir(exist_ok=True)

    def save(figure: Any, path: Any) -> None:
        name = Path(path).stem
        if name in names:
            texts[name] = alt(figure).translate(str.maketrans("[]\n", "() "))
            text = small_svg(figure, name, digest(page, name))
            (folder / f"{name}.svg").write_text(text, encoding="utf-8")
            print(f"{len(text) / 1024:6.1f} KiB  img/{page.stem}/{name}.svg")

    run(page, save)
    for path in folder.glob("*.svg"):
        if path.stem not in names:
            path.unlink()
    markdown = page.read_text(encoding="utf-8")
    new = LINK.sub(lambda match: f"![{texts[match[3]]}](img/{match[2]}/{match[3]}.svg)", markdown)
    if new != markdown:
        page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    from pellucid.data import mnist

    if mnist().name != "mnist":
        sys.exit("the figures of the pages are those of the whole MNIST: set PELLUCID_DATA to a folder with its files")
    for one in [DOCS / f"{name}.md" for name in sys.argv[1:]] or pages():
        make(one)
