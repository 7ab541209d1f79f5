"""Additions to MkDocs for this site: pages from outside docs/, the pages of the lab, a network on the first page, programs side
by side, the pages as notebooks, and docstrings as Markdown.

mkdocs.yml names this file twice: MkDocs calls the functions ``on_…``, and mkdocstrings uses :class:`Docstrings`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import griffe
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.append(str(Path(__file__).parent))  # of pages_as_notebooks.py, which is beside this file
import pages_as_notebooks as notebooks

OUTSIDE_PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "measuring.md",
}
LIVE_MODEL = Path("src", "pellucid", "app", "pair", "draw-cnn.pellucid")  # the network on the first page, if it exists
LIVE_PAGE, LIVE_PLACE = "draw.html", "<!-- a network to draw for: docs/hooks.py -->"
# The frame becomes as high as its page, which needs no scroll bar then. Opened as a file, the browser does not allow that: the
# style sheet has heights that suffice.
FIT = (
    "const body = this.contentDocument && this.contentDocument.body; "
    "if (body) new ResizeObserver(() => { this.style.height = Math.ceil(body.offsetHeight) + 'px'; }).observe(body)"
)
TITLE = "A pad to draw a digit on, and what a network answers"
LIVE = f"""\
<iframe class="live" src="{LIVE_PAGE}" title="{TITLE}" loading="lazy" onload="{FIT}"></iframe>

The network computes in your browser; <a href="{LIVE_PAGE}">its page</a> is one file that
[`pellucid export --html`](export.md#a-web-page) has written."""
LIBRARY = re.compile(r"^\*\*(Pellucid|Keras|PyTorch|scikit-learn)\*\*$", re.MULTILINE)  # in coming-from.md: a program follows
ROLE = re.compile(r":[a-z]+:`(~?)([\w.]+)`")  # :class:`~pellucid.layers.Dense`


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages that ``pellucid lab report --markdown docs/lab`` writes to the navigation, in the order of their index."""
    index = Path(config.docs_dir, "lab", "index.md")
    if index.exists() and config.nav:
        chapters = dict.fromkeys(re.findall(r"\]\(([\w-]+\.md)#", index.read_text(encoding="utf-8")))
        lab = next(entry["The lab"] for entry in config.nav if "The lab" in entry)
        lab += [{"All results": "lab/index.md"}, *(f"lab/{chapter}" for chapter in chapters)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/ as if they were in it, and the page of a network."""
    live = live_page(Path(config.config_file_path).parent / LIVE_MODEL)
    if live is not None:
        files.append(File.generated(config, LIVE_PAGE, content=live))
    for path, name in OUTSIDE_PAGES.items():
        text = linked((Path(config.config_file_path).parent / path).read_text(encoding="utf-8"))
        files.append(File.generated(config, name, content=re.sub(r"\]\((\.\./)?docs/", "](", text)))
    for page in [file for file in files.documentation_pages() if notebooks.has_code(file.content_string)]:
        for answers in (True, False) if notebooks.has_answers(page.content_string) else (True,):
            text = page.content_string if answers else notebooks.without_answers(page.content_string)
            made = nbformat.writes(notebook(page.src_uri, text, config))
            files.append(File.generated(config, notebooks.place(page.src_uri, answers), content=made))
    if config.extra["notebooks"]["repository"]:
        files.append(File.generated(config, "binder/environment.yml", content=notebooks.binder_environment()))
    return files


def notebook(page: str, markdown: str, config: MkDocsConfig) -> nbformat.NotebookNode:
    """Return the notebook of a page of the documentation."""
    folder = Path(config.docs_dir, page).parent
    return notebooks.notebook(page, to_site(markdown), folder, config.site_url)


def live_page(path: Path) -> str | None:
    """Return the page of the network in a model file, or None if there is no such file."""
    if not path.exists():
        return None
    from pellucid import Model

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, LIVE_PAGE)
        Model.load(path).export_html(page, title="Draw a digit")
        return page.read_text(encoding="utf-8")


def on_page_markdown(
    markdown: str, page: Page | None = None, config: MkDocsConfig | None = None, files: Files | None = None
) -> str:
    """Adapt what works on GitHub to MkDocs: links to the pages from outside docs/, Markdown inside <details>, the network.

    A page with Python code gets links to its notebook.
    """
    if page is not None and config is not None and notebooks.has_code(markdown):
        settings = config.extra["notebooks"]
        launch = notebooks.launch_links(page.file.src_uri, settings["repository"], settings["branch"])
        markdown = notebooks.with_links(markdown, page.file.src_uri, launch)
    if files is not None and files.get_file_from_path(LIVE_PAGE) is not None:
        markdown = markdown.replace(LIVE_PLACE, LIVE)
    return side_by_side(to_site(markdown)).replace("<details>", '<details markdown="1">')


def to_site(markdown: str) -> str:
    """Return the text of a page with links to the copies of the pages from outside docs/."""
    for path, name in OUTSIDE_PAGES.items():
        markdown = re.sub(rf"\]\(((?:\.\./)*)\.\./{re.escape(path)}(?=[)#])", rf"](\1{name}", markdown)
    return markdown


def side_by_side(markdown: str) -> str:
    """Put the programs for the same task beside each other: Pellucid's at the left, at the right a tab for each other library.

    On GitHub, which has no tabs, they are one after the other, below their names.
    """
    sections = re.split(r"^(?=## )", markdown, flags=re.MULTILINE)
    for i, section in enumerate(sections):
        before, *rest = LIBRARY.split(section)
        tabs = [
            f'=== "{name}"\n\n' + re.sub(r"^(?=.)", "    ", text.strip(), flags=re.MULTILINE)
            for name, text in zip(rest[::2], rest[1::2], strict=True)
        ]
        if tabs:
            columns = "\n\n</div>\n<div markdown>\n\n".join((tabs[0], "\n\n".join(tabs[1:])))
            pair = f'<div class="pair" markdown>\n<div markdown>\n\n{columns}\n\n</div>\n</div>'
            sections[i] = f"{before}{pair}\n\n"
    return "".join(sections)


class Docstrings(griffe.Extension):
    """Docstrings as Markdown: roles become links, numpydoc sections lists, examples and text aligned with spaces code blocks.

    The source that is shown for a dataclass without its own ``__init__`` is the whole class.
    """

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            scope = obj.path if obj.is_module or obj.is_class else obj.parent.path if obj.parent else ""
            obj.docstring.value = to_markdown(obj.docstring.value, scope)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        remaining: list[griffe.Object] = [pkg]
        while remaining:
            obj = remaining.pop()
            remaining += [member for member in obj.members.values() if not member.is_alias]
            if "dataclass" in obj.labels and (init := obj.members.get("__init__")) and not init.lineno:
                init.lineno, init.endlineno = obj.lineno, obj.endlineno


def to_markdown(docstring: str, scope: str) -> str:
    """Return ``docstring`` as Markdown. Names in roles that do not begin with the package are names inside ``scope``."""

    def link(match: re.Match[str]) -> str:
        short, name = match.groups()
        target = name if name.startswith("pellucid.") else f"{scope}.{name}"
        label = name.rpartition(".")[2] if short else name
        return f'<autoref optional identifier="{target}"><code>{label}</code></autoref>'

    return "\n\n".join(_format(ROLE.sub(link, part)) for part in docstring.replace("::\n", ":\n").split("\n\n"))


def _format(paragraph: str) -> str:
    if paragraph.startswith(">>> "):
        return f"```pycon\n{paragraph}\n```"
    if paragraph.startswith((" ", "-")):
        return paragraph  # Markdown already treats it as a code block or a list
    if section := re.match(r"(\w+)\n-+\n", paragraph):  # numpydoc: "Parameters", then lines of the form "name : text"
        entries = re.sub(r"^(\S.*?) : ", r"- `\1`: ", paragraph[section.end() :], flags=re.MULTILINE)
        return f"**{section[1]}**\n\n{entries}"
    if re.search(r"\S {3,}\S", paragraph):
        return f"```text\n{paragraph}\n```"
    return paragraph.replace("] [", "] \\[")  # a product of matrices, not a link


def linked(text: str) -> str:
    """Return the text of a page from outside docs/, such as CONTRIBUTING.md, with its links to the others of them."""
    for path, name in OUTSIDE_PAGES.items():
        text = re.sub(rf"\]\({re.escape(path)}(?=[)#])", f"]({name}", text)
    return text
