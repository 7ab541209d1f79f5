"""The figures on the pages of the documentation are those of the code that is printed there; the gallery has all of them."""

from __future__ import annotations

import html
import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pellucid import plots

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "docs" / "scripts" / "figures.py"
specification = importlib.util.spec_from_file_location("figures_of_pages", SCRIPT)
figures = importlib.util.module_from_spec(specification)
specification.loader.exec_module(figures)
PAGES = figures.pages()
LINKED = [(page.stem, name) for page in PAGES for name in figures.linked(page)]


@pytest.mark.parametrize(("page", "name"), LINKED)
def test_a_figure_is_made_by_the_code_of_its_page(page, name):
    markdown = ROOT / "docs" / f"{page}.md"
    text = (ROOT / "docs" / "img" / page / f"{name}.svg").read_text(encoding="utf-8")
    made = figures.DIGEST.search(text)[1]
    assert made == figures.digest(markdown, name), f"the code has changed: python docs/scripts/figures.py {page}"
    label = ElementTree.fromstring(text).attrib["aria-label"]
    assert figures.linked(markdown)[name] == label.translate(str.maketrans("[]\n", "() ")), "the alternative text on the page"
    assert "prefers-color-scheme:dark" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_figure_remains_that_its_page_does_not_show(page):
    assert {path.stem for path in (ROOT / "docs" / "img" / page.stem).glob("*")} == set(figures.linked(page))


def test_the_gallery_shows_every_figure_under_its_name():
    page = ROOT / "docs" / "gallery.md"
    sections = re.split(r"^### `(\w+)`$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    names, bodies = sections[1::2], sections[2::2]
    helpers = {"alt", "histogram", "principal_plane", "save"}
    assert sorted(names) == sorted(set(plots.__all__) - helpers)
    for name, body in zip(names, bodies, strict=True):
        assert f"plots.{name}(" in body, f"the code of {name}"
        assert len(figures.LINK.findall(body)) == 1, f"the picture of {name}"
    text = page.read_text(encoding="utf-8")
    assert all(f"plots.{name}(" in text for name in helpers - {"alt"})


def test_the_pictures_are_small():
    """Those of the lab are made by its report, and larger."""
    sizes = {path: path.stat().st_size for path in (ROOT / "docs" / "img").rglob("*") if path.is_file()}
    assert max(sizes.values()) < 500_000, max(sizes, key=sizes.get)
    assert sum(sizes.values()) < 2_200_000


def test_a_figure_that_no_code_saves_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text('```python\nplots.save(figure, "a.svg")\n```\n![](img/page/a.svg) ![x](img/page/b.svg)\n', encoding="utf-8")
    assert figures.linked(page) == {"a": "", "b": "x"}
    assert figures.digest(page, "a")
    with pytest.raises(SystemExit, match=r"shows the figure b, but no block"):
        figures.digest(page, "b")


def test_a_small_file_keeps_what_is_drawn():
    """The same elements and texts are in the file, at the same places to a tenth of a point, and marks to a hundredth."""
    figure = plots.over_seeds({"loss": {"SGD <1>": [[3, 1, 2]], "Adam": [[1, 2, 30]]}}, [1, 2, 3], "epoch", log=["loss"])
    small = figures.small_svg(figure, "name", "abc")
    from pellucid.report import svg

    whole = svg(figure, "name")
    for tag in ("path", "use", "text"):
        before, after = (re.findall(rf"<{tag}\b[^>]*>", text) for text in (whole, small))
        assert len(before) == len(after) > 0
    places = [[float(x) for x in re.findall(r'<use [^>]* x="([\d.]+)"', text)] for text in (whole, small)]
    assert places[0] == pytest.approx(places[1], abs=0.051)
    numbers = [re.findall(r"-?\d+\.?\d*", " ".join(re.findall(r' d="([^"]*)"', text))) for text in (whole, small)]
    assert [float(x) for x in numbers[0]] == pytest.approx([float(x) for x in numbers[1]], abs=0.051)
    outlines = [" ".join(re.findall(r'<path id="[^"]*" d="([^"]*)"', text)) for text in (whole, small)]
    marks = [re.findall(r"-?\d+\.?\d*", outline) for outline in outlines]
    assert [float(x) for x in marks[0]] == pytest.approx([float(x) for x in marks[1]], abs=0.0051)
    assert len(marks[0]) > 50
    words = [[word for word in re.findall(r">([^<]+)</t", text) if word.strip()] for text in (whole, small)]
    assert words[0] == words[1]
    assert "SGD <1>" in map(html.unescape, words[1])
    assert len(small) < 0.75 * len(whole)
    assert figures.DIGEST.search(small)[1] == "abc"


def test_a_progress_bar_leaves_nothing_on_the_screen():
    specification = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "scripts" / "pictures.py")
    pictures = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(pictures)
    written = "first\r\n\x1b[?25l\r\x1b[2K ━━ \x1b[36m0:01\x1b[0m\r\x1b[2Kepoch 1\n"  # a line takes the place of the bar
    written += "bar\r\x1b[2Kbar 2\r\n\x1b[?25h\r\x1b[1A\x1b[2K\x1b[1mend\x1b[0m\r\n"
    assert pictures.screen(written) == "first\nepoch 1\n\x1b[1mend\x1b[0m"
    with pytest.raises(ValueError, match="mean"):
        pictures.screen("\x1b[2J")
    for over in ("bar 10\rbar 2", "bar\nend\r\x1b[Aabc"):
        with pytest.raises(ValueError, match="over 'bar"):
            pictures.screen(over)
    path = pictures.smooth([(0, 0), (100, 0), (200, 100)])
    assert path[0] == (0, 0)
    assert path[6] == (100, 0)
    assert path[-1] == (200, 100)
    assert len(path) == 13
