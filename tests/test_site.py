"""The documentation site: it builds without warnings, its navigation has every page, and pages load nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import posixpath
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TOOLS = ("mkdocs", "material", "mkdocstrings_handlers", "nbformat")


@pytest.fixture(scope="module")
def tools():
    """Skip the test if the packages that build the site (extra ``docs``) are missing; on CI, fail."""
    if not all(importlib.util.find_spec(part) for part in TOOLS):
        if os.environ.get("CI"):
            pytest.fail("MkDocs is missing: pip install 'pellucid[docs]'")
        pytest.skip("MkDocs is missing: pip install 'pellucid[docs]'")


@pytest.fixture(scope="module")
def hooks(tools):
    specification = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tools, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    # without --quiet, which would hide warnings from --strict
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_in_the_navigation_once(hooks):
    named = re.findall(r": ([\w/-]+\.md)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2])
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    lab = {page for page in pages if page.startswith("lab/")}  # added to the navigation by the hook
    assert sorted(named) == sorted(pages - lab | set(hooks.OUTSIDE_PAGES.values()))
    for path in hooks.OUTSIDE_PAGES:
        assert (ROOT / path).exists(), path


def test_the_pages_of_the_lab_come_after_its_introduction(hooks, tmp_path):
    config = SimpleNamespace(docs_dir=str(tmp_path), nav=[{"Home": "index.md"}, {"The lab": [{"Introduction": "lab.md"}]}])
    hooks.on_config(config)
    assert config.nav[1] == {"The lab": [{"Introduction": "lab.md"}]}, "there is no report yet"
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "index.md").write_text("[Q](learning.md#a) [Q](depth.md#b) [Q](learning.md#c)", encoding="utf-8")
    hooks.on_config(config)
    chapters = [{"All results": "lab/index.md"}, "lab/learning.md", "lab/depth.md"]
    assert config.nav[1] == {"The lab": [{"Introduction": "lab.md"}, *chapters]}


def test_docstrings_become_markdown(hooks):
    text = "See :class:`~pellucid.Model` and :meth:`fit`; A = [h, x] [U; W].\n\n>>> 1 + 1\n2\n\na = 1    b = 2\n\n    c    d"
    prose, example, aligned, indented = hooks.to_markdown(text, "pellucid.model.model").split("\n\n")
    assert '<autoref optional identifier="pellucid.Model"><code>Model</code></autoref>' in prose
    assert '<autoref optional identifier="pellucid.model.model.fit"><code>fit</code></autoref>' in prose
    assert "[h, x] \\[U; W]" in prose
    assert example == "```pycon\n>>> 1 + 1\n2\n```"
    assert aligned == "```text\na = 1    b = 2\n```"
    assert indented == "    c    d"


def test_numpydoc_sections_become_lists(hooks):
    text = "Parameters\n----------\nhidden : widths, as in 64 : 32,\n    or a network\ntol, patience : when it ends"
    expected = "**Parameters**\n\n- `hidden`: widths, as in 64 : 32,\n    or a network\n- `tol, patience`: when it ends"
    assert hooks.to_markdown(text, "pellucid.sklearn.classifier") == expected


def test_links_to_pages_outside_docs_lead_to_their_copies_in_the_site(hooks):
    markdown = hooks.on_page_markdown("[a](../CONTRIBUTING.md) [b](../CONTRIBUTING.md#words) [c](../CONTRIBUTING.mdx)")
    assert markdown == "[a](contributing.md) [b](contributing.md#words) [c](../CONTRIBUTING.mdx)"


def test_programs_for_the_same_task_are_side_by_side(hooks):
    program = "```py\na\n\nb\n```"
    task = f"**Pellucid**\n\n{program}\n\n**Keras**\n\n{program}\n\n**PyTorch**\n\nNone.\n\n"
    markdown = f"# T\n\ntext\n\n## 1\n\n{task}## 2\n\n**bold**\n"
    made = hooks.on_page_markdown(markdown)
    assert made.startswith("# T\n\ntext\n\n## 1\n\n<div")
    left, right = made.split("<div markdown>")[1:]
    tab = "    ```py\n    a\n\n    b\n    ```"
    assert left.strip() == f'=== "Pellucid"\n\n{tab}\n\n</div>'
    assert right.startswith(f'\n\n=== "Keras"\n\n{tab}\n\n=== "PyTorch"\n\n    None.\n\n</div>\n</div>\n\n## 2')
    assert made.endswith("## 2\n\n**bold**\n"), "no other page has such labels"


def test_the_first_page_has_a_network_to_draw_for(hooks, tmp_path):
    from pellucid import CrossEntropy, Dense, Flatten, Sequential, Softmax
    from pellucid.data.input_stage import ImageScaling

    markdown = (DOCS / "index.md").read_text(encoding="utf-8")
    assert hooks.LIVE_PLACE in markdown
    assert hooks.live_page(tmp_path / "absent.pellucid") is None
    network = Sequential(Flatten(), Dense(10), Softmax())
    network.compile((28, 28, 1), CrossEntropy(), input_stage=ImageScaling()).save(tmp_path / "model.pellucid")
    assert "createPad" in hooks.live_page(tmp_path / "model.pellucid")
    found = SimpleNamespace(get_file_from_path=lambda path: object() if path == hooks.LIVE_PAGE else None)
    assert f'src="{hooks.LIVE_PAGE}"' in hooks.on_page_markdown(markdown, files=found)
    absent = SimpleNamespace(get_file_from_path=lambda path: None)
    assert "<iframe" not in hooks.on_page_markdown(markdown, files=absent), "before there is such a network"


def test_the_site_builds_without_a_warning(site):
    pages = ("index", "mathematics", "architecture", "reading", "lab", "benchmarks", "contributing", "changelog", "measuring")
    for page in (*pages, "api/layers", "api/foundations"):
        assert (site / f"{page}.html").exists(), page
    assert not (site / "hooks.py").exists()


def test_pages_with_code_open_as_notebooks(site):
    import nbformat

    repository = re.search(
        r"^  notebooks: .*repository: \"(.*?)\"", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )[1]
    for page in ("index", "text", "contributing", "examples/denoising"):
        html, place = (site / f"{page}.html").read_text(encoding="utf-8"), f"notebooks/{page}.ipynb"
        nbformat.read(site / place, as_version=4)
        assert f'href="{posixpath.relpath(place, posixpath.dirname(page) or ".")}"' in html, page
        assert (
            ("https://mybinder.org/v2/gh/" in html) == ("https://colab.research.google.com/github/" in html) == bool(repository)
        )
    assert not (site / "pages_as_notebooks.py").exists()
    assert "Open as a notebook" not in (site / "architecture.html").read_text(encoding="utf-8"), "a page without code"


@pytest.mark.parametrize("repository", ["", "https://github.com/someone/pellucid"])
def test_pages_have_buttons_for_colab_and_binder_if_the_repository_is_known(hooks, repository):
    config = SimpleNamespace(extra={"notebooks": {"repository": repository, "branch": "gh-pages"}})
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    markdown = hooks.on_page_markdown("# A\n\n```python\n1\n```\n", page=page, config=config)
    assert "(notebooks/a.ipynb)" in markdown
    assert ("colab.research.google.com/github/someone/pellucid/blob/gh-pages/notebooks/a.ipynb" in markdown) == bool(repository)
    assert ("mybinder.org/v2/gh/someone/pellucid/gh-pages?labpath=notebooks%2Fa.ipynb" in markdown) == bool(repository)
    assert "notebooks" not in hooks.on_page_markdown("# A\n\nText\n", page=page, config=config)


def test_nothing_is_loaded_from_other_servers(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="?(\w+:)?//', page.read_text(encoding="utf-8"))
        loaded += re.findall(r'<link\b[^>]*href="?(?:\w+:)?//[^>]*', page.read_text(encoding="utf-8"))
        assert not loaded, f"{page.name}: {loaded}"


def test_docstrings_are_rendered_well_in_the_api_reference(site):
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html")}
    for name, whole in pages.items():
        text = re.sub(r'<details class="mkdocstrings-source">.*?</details>', "", whole, flags=re.DOTALL)
        assert not re.search(r":(class|func|meth|mod|data):", text), f"{name}: a role is not converted"
        assert "<blockquote>" not in text, f"{name}: an example is rendered as a quotation"
    # a name in a docstring is a link to an anchor that exists
    assert re.search(r'<a [^>]*href="#pellucid.layers.context.Context"><code>Context</code></a>', pages["layers"])
    assert 'id="pellucid.layers.context.Context"' in pages["layers"]
    assert "∂C/∂w_kj = Σ_l x_lk dy_lj" in pages["layers"], "a derivation"
    assert "affine_backward" in pages["layers"], "the source of a dataclass"
