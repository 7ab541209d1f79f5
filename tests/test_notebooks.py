"""The notebooks of the pages: they contain all code, can be opened anywhere, and run."""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import sys
import tomllib
from pathlib import Path

import pytest

if not all(importlib.util.find_spec(name) for name in ("nbformat", "nbclient", "ipykernel")):
    if os.environ.get("CI"):
        pytest.fail("nbformat, nbclient and ipykernel are missing: pip install 'pellucid[dev]'", pytrace=False)
    pytest.skip("nbformat, nbclient and ipykernel are missing: pip install 'pellucid[dev]'", allow_module_level=True)

from tests import notebooks
from tests.notebooks import ROOT, maker
from tests.test_docs import PAGES, blocks

# Modules that the packages of `pellucid[all]` install under another name than their own.
MODULES_OF_ALL = {"numpy", "sklearn", "matplotlib", "PIL", "pellucid"}
URL = "https://github.com/someone/pellucid"


def cells(page: str, kind: str) -> list[str]:
    return [cell.source for cell in notebooks.generate(page).cells if cell.cell_type == kind]


def test_every_page_with_code_has_a_notebook():
    assert notebooks.pages() == [page for page in PAGES if blocks(page, "python")]


@pytest.mark.parametrize("page", notebooks.pages())
def test_a_notebook_has_the_code_of_its_page_and_links_to_the_site(page):
    code = cells(page, "code")  # generating validates the notebook
    assert code[0].startswith("# Install what is missing")
    assert code[1:] == [block.rstrip() for block in blocks(page, "python")]
    texts = cells(page, "markdown")
    assert texts[0].startswith("# "), "the title is first"
    for target in re.findall(r"\]\(([^)#\s]+)", "\n".join(re.sub(r"```.*?```", "", text, flags=re.DOTALL) for text in texts)):
        if not target.startswith(("http", "attachment:", "data:")):
            place = (ROOT / "docs" / maker.place(page.removeprefix("docs/"))).parent / target  # as if docs/ were the site
            path = Path(os.path.normpath(place)).with_suffix(".md")
            outside = {"contributing.md", "changelog.md", "measuring.md"}
            assert path.exists() or place.resolve().exists() or path.name in outside, f"{page}: {target}"


def test_images_are_part_of_the_notebook():
    (cell,) = [cell for cell in notebooks.generate("docs/text.md").cells if "attachments" in cell]
    assert "](attachment:text.png)" in cell.source
    assert cell.attachments == {"text.png": {"image/png": base64.b64encode((ROOT / "docs/img/text.png").read_bytes()).decode()}}
    (first, *_) = notebooks.generate("docs/transformer.md").cells
    drawing = (ROOT / "docs/img/transformer.svg").read_bytes()
    assert f"](data:image/svg+xml;base64,{base64.b64encode(drawing).decode()})" in first.source


def test_links_lead_to_the_published_site_if_there_is_one():
    made = maker.notebook(
        "examples/a.md", "# A\n[b](../b.md#c) [d](d.md) [e](#f)\n```python\n1\n```\n", ROOT, "https://site.org/x/"
    )
    assert made.cells[0].source == (
        "# A\n[b](https://site.org/x/b.html#c) [d](https://site.org/x/examples/d.html) [e](https://site.org/x/examples/a.html#f)"
    )
    local = maker.notebook("examples/a.md", "# A\n[b](../b.md)\n```python\n1\n```\n", ROOT)
    assert local.cells[0].source == "# A\n[b](../../b.html)"


def test_the_first_code_cell_installs_what_the_page_needs():
    needed = set()
    for page in notebooks.pages():
        needed |= set().union(*(maker._modules(block) for block in blocks(page, "python")))
    assert needed - set(sys.stdlib_module_names) <= MODULES_OF_ALL | maker.OTHER_PACKAGES.keys(), "add it to OTHER_PACKAGES"
    assert '%pip install --quiet "pellucid[all]"' in cells("docs/text.md", "code")[0]
    assert "    %pip install --quiet onnxruntime" in cells("docs/text.md", "code")[0]
    assert "onnxruntime" not in cells("docs/index.md", "code")[0]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra in ("plots", "images", "sklearn"):
        assert extra in re.search(r"\[(.*)\]", extras["all"][0])[1].split(",")


def test_launch_links_need_the_address_of_a_repository():
    assert maker.launch_links("text.md", "", "gh-pages") == {}
    links = maker.launch_links("examples/denoising.md", URL + "/", "gh-pages")
    assert links == {
        "Colab": "https://colab.research.google.com/github/someone/pellucid/blob/gh-pages/notebooks/examples/denoising.ipynb",
        "Binder": "https://mybinder.org/v2/gh/someone/pellucid/gh-pages?labpath=notebooks%2Fexamples%2Fdenoising.ipynb",
    }
    with pytest.raises(ValueError, match=r"address of a repository on GitHub, such as https://github\.com/OWNER/NAME"):
        maker.launch_links("text.md", "https://example.org/pellucid", "gh-pages")


def test_pages_link_to_their_notebooks():
    page = "# Title\n\nText.\n"
    plain = maker.with_links(page, "examples/a.md", {})
    assert plain == (
        '# Title\n\n<div class="notebook" markdown="1">[Open as a notebook](../notebooks/examples/a.ipynb)'
        '{ download="a.ipynb" }</div>\n\nText.\n'
    )
    launch = maker.launch_links("a.md", URL, "main")
    assert "[Open in Colab](https://colab" in maker.with_links(page, "a.md", launch)
    assert "(notebooks/a.ipynb)" in maker.with_links(page, "a.md", launch)


def test_sections_are_cells_of_their_own_and_the_installation_comes_after_the_introduction():
    made = maker.notebook("a.md", "# A\n\nText.\n\n## B\n\nMore.\n\n```python\n1\n```\n\n## C\n\n### D\n", ROOT)
    assert [cell.source.partition("\n")[0] for cell in made.cells] == [
        "# A",
        "## B",
        made.cells[2].source.partition("\n")[0],
        "1",
        "## C",
        "### D",
    ]
    assert [cell.cell_type for cell in made.cells] == ["markdown", "markdown", "code", "code", "markdown", "markdown"]


def test_a_lesson_has_a_notebook_without_its_answers():
    page = (ROOT / "docs/course/1-linear-classifiers.md").read_text(encoding="utf-8")
    assert maker.has_answers(page)
    assert not maker.has_answers("a page")
    without = maker.without_answers(page)
    assert "<details>" not in without
    assert not maker.has_answers(without)
    assert without.count("\n**") == page.count("\n**"), "the questions stay"
    assert "Next: [" in without
    assert maker.place("course/1.md", answers=False) == "notebooks/course/1-without-answers.ipynb"
    links = maker.with_links(page, "course/1-linear-classifiers.md", {})
    assert "[Without answers](../notebooks/course/1-linear-classifiers-without-answers.ipynb)" in links


def test_a_notebook_runs_and_keeps_its_outputs():
    made = notebooks.execute("docs/lab.md")
    assert "holds because" in "".join(output.get("text", "") for cell in made.cells for output in cell.get("outputs", []))
    assert [cell.source for cell in made.cells] == [cell.source for cell in notebooks.generate("docs/lab.md").cells]


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in notebooks.pages() if "/course/" not in page])
def test_every_notebook_runs(page):
    """Those of the course take minutes: ``make notebooks`` runs them, and tests/test_course.py their code."""
    notebooks.execute(page)
