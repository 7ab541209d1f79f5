"""The documentation as a site: it builds without a warning, every page is in its navigation, and nothing is loaded from
elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PARTS = ("mkdocs", "material", "mkdocstrings_handlers")


@pytest.fixture(scope="module")
def tools():
    """What the site is built with (extra ``docs``)."""
    if not all(importlib.util.find_spec(part) for part in PARTS):
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
    # not --quiet: then warnings are not even counted
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_in_the_navigation_once(hooks):
    named = re.findall(r": ([\w/-]+\.md)", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2])
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    lab = {page for page in pages if page.startswith("lab/")}  # written by pellucid lab report, found by the hook
    assert sorted(named) == sorted(pages - lab | set(hooks.OUTSIDE.values()))
    for path in hooks.OUTSIDE:
        assert (ROOT / path).exists(), path


def test_the_pages_of_the_lab_stand_behind_its_introduction(hooks, tmp_path):
    config = SimpleNamespace(docs_dir=str(tmp_path), nav=[{"Home": "index.md"}, {"The lab": [{"Claims": "lab.md"}]}])
    hooks.on_config(config)
    assert config.nav[1] == {"The lab": [{"Claims": "lab.md"}]}, "there is no report yet"
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "index.md").write_text("[Q](learning.md#a) [Q](depth.md#b) [Q](learning.md#c)", encoding="utf-8")
    hooks.on_config(config)
    behind = [{"All verdicts": "lab/index.md"}, "lab/learning.md", "lab/depth.md"]
    assert config.nav[1] == {"The lab": [{"Claims": "lab.md"}, *behind]}


def test_docstrings_become_markdown(hooks):
    text = "See :class:`~pellucid.Model` and :meth:`fit`; A = [h, x] [U; W].\n\n>>> 1 + 1\n2\n\na = 1    b = 2\n\n    c    d"
    prose, example, by_hand, indented = hooks.readable(text, "pellucid.model.model").split("\n\n")
    assert '<autoref optional identifier="pellucid.Model"><code>Model</code></autoref>' in prose
    assert '<autoref optional identifier="pellucid.model.model.fit"><code>fit</code></autoref>' in prose
    assert "[h, x] \\[U; W]" in prose
    assert example == "```pycon\n>>> 1 + 1\n2\n```"
    assert by_hand == "```text\na = 1    b = 2\n```"
    assert indented == "    c    d"


def test_the_site_builds_without_a_warning(site):
    for page in ("index", "mathematics", "lab", "benchmarks", "contributing", "changelog", "measuring", "api/layers"):
        assert (site / f"{page}.html").exists(), page
    assert not (site / "hooks.py").exists()


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="?(\w+:)?//', page.read_text(encoding="utf-8"))
        loaded += re.findall(r'<link\b[^>]*href="?(?:\w+:)?//[^>]*', page.read_text(encoding="utf-8"))
        assert not loaded, f"{page.name}: {loaded}"


def test_what_the_api_says_is_read_well(site):
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html")}
    for name, whole in pages.items():
        text = re.sub(r'<details class="mkdocstrings-source">.*?</details>', "", whole, flags=re.DOTALL)
        assert not re.search(r":(class|func|meth|mod|data):", text), f"{name}: a role that is shown as it is written"
        assert "<blockquote>" not in text, f"{name}: an example that is taken for a quotation"
    # a name in a docstring is a link, and leads there
    assert re.search(r'<a [^>]*href="#pellucid.layers.context.Context"><code>Context</code></a>', pages["layers"])
    assert 'id="pellucid.layers.context.Context"' in pages["layers"]
    assert "∂C/∂w_kj = Σ_l x_lk dy_lj" in pages["layers"], "a derivation"
    assert "affine_backward" in pages["layers"], "the source of a dataclass"
