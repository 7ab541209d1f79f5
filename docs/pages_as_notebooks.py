"""Notebooks made of the pages of this documentation: the text becomes Markdown cells, each Python block a code cell.

docs/hooks.py writes them into the site, and tests/notebooks.py executes them. They are not stored in the repository.
"""

from __future__ import annotations

import ast
import base64
import mimetypes
import posixpath
import re
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

FOLDER = "notebooks"  # in the site
BLOCK = re.compile(r"^```python\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"^<!--.*?-->\n?", re.MULTILINE | re.DOTALL)
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(?=##+ )", re.MULTILINE)
ANSWER = re.compile(r"^<details><summary>Answer</summary>.*?</details>\n\n?", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")

# Modules that pages import and `pellucid[all]` does not install, with the name of their package.
OTHER_PACKAGES = {"onnxruntime": "onnxruntime", "pandas": "pandas", "scipy": "scipy"}


def has_code(markdown: str) -> bool:
    """Return whether a page has Python blocks."""
    return BLOCK.search(markdown) is not None


def has_answers(markdown: str) -> bool:
    """Return whether a page has questions with folded answers."""
    return ANSWER.search(markdown) is not None


def without_answers(markdown: str) -> str:
    """Return the text of a page without the folded answers."""
    return ANSWER.sub("", markdown)


def place(page: str, answers: bool = True) -> str:
    """Return the path in the site of the notebook of a page: notebooks/text.ipynb for text.md."""
    return posixpath.join(FOLDER, page.removesuffix(".md") + ("" if answers else "-without-answers") + ".ipynb")


def notebook(page: str, markdown: str, folder: Path, site_url: str | None = None) -> nbformat.NotebookNode:
    """Return the notebook of a page, without outputs.

    ``page`` is the path of the page in the documentation, ``markdown`` its text, and ``folder`` the folder of its images. They
    become part of the notebook: attachments of their cells, or data URLs if they are SVG. Links lead to the site at
    ``site_url``, or without it to the pages that are beside the folder of the notebooks.
    """
    root = site_url.rstrip("/") + "/" if site_url else "../" * place(page).count("/")
    parts = BLOCK.split(COMMENT.sub("", markdown))  # text, code, text, code, …, text
    cells = [new_code_cell(setup(parts[1::2]), metadata={"tags": ["setup"]})]
    for i, part in enumerate(parts):
        if not part.strip():
            continue
        if i % 2:
            cells.append(new_code_cell(part.rstrip()))
        else:  # a cell for each section
            cells += [_text_cell(text.strip(), page, folder, root) for text in HEADING.split(part) if text.strip()]
    if parts[0].strip():  # the title and what follows it come before the installation
        first = next(i for i, cell in enumerate(cells[1:], 1) if cell.cell_type == "code")
        cells.insert(first - 1, cells.pop(0))
    made = new_notebook(cells=cells)
    for i, cell in enumerate(made.cells):
        cell.id = f"cell-{i}"  # by default a random one, with which no two builds would be the same
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made.metadata.language_info = {"name": "python"}
    nbformat.validate(made)
    return made


def setup(blocks: list[str]) -> str:
    """Return the code that installs what is missing: the package, and other packages that ``blocks`` import."""
    imported = {name for block in blocks for name in _modules(block)}
    others = [package for module, package in sorted(OTHER_PACKAGES.items()) if module in imported]
    lines = [
        "# Install what is missing. Data sets are found in the folder PELLUCID_DATA, or downloaded.",
        "from importlib.util import find_spec",
        "",
    ]
    for module, package in [("pellucid", '"pellucid[all]"'), *((package, package) for package in others)]:
        lines += [f'if find_spec("{module}") is None:', f"    %pip install --quiet {package}"]
    return "\n".join(lines)


def launch_links(page: str, repository: str | None, branch: str) -> dict[str, str]:
    """Return the addresses that open the notebook of a page in Colab and in Binder, which read it from a branch on GitHub."""
    if not repository:
        return {}
    match = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", repository)
    if match is None:
        raise ValueError(
            f"extra: notebooks: repository: in mkdocs.yml is {repository!r}; Colab and Binder need the address of a repository "
            "on GitHub, such as https://github.com/OWNER/NAME. Without this setting, pages have no buttons for them."
        )
    owner, name = match.groups()
    path, branch = place(page), quote(branch, safe="")
    return {
        "Colab": f"https://colab.research.google.com/github/{owner}/{name}/blob/{branch}/{quote(path)}",
        "Binder": f"https://mybinder.org/v2/gh/{owner}/{name}/{branch}?labpath={quote(path, safe='')}",
    }


def binder_environment() -> str:
    """Return the file environment.yml, from which Binder builds the machine for all notebooks."""
    packages = "".join(f"      - {package}\n" for package in ["pellucid[all]", *sorted(OTHER_PACKAGES.values())])
    return f"channels: [conda-forge]\ndependencies:\n  - python=3.12\n  - pip\n  - pip:\n{packages}"


def with_links(markdown: str, page: str, launch: dict[str, str]) -> str:
    """Return the text of a page with links to its notebook after the title."""
    target = posixpath.relpath(place(page), posixpath.dirname(page) or ".")
    links = [f'[Open as a notebook]({target}){{ download="{posixpath.basename(target)}" }}']
    if has_answers(markdown):
        target = posixpath.relpath(place(page, answers=False), posixpath.dirname(page) or ".")
        links.append(f'[Without answers]({target}){{ download="{posixpath.basename(target)}" }}')
    links += [f"[Open in {name}]({address}){{ .launch }}" for name, address in launch.items()]
    line = f'<div class="notebook" markdown="1">{" ".join(links)}</div>'
    title = re.search(r"^# .*\n", markdown, re.MULTILINE)
    end = title.end() if title else 0
    return f"{markdown[:end]}\n{line}\n\n{markdown[end:].lstrip()}"


def _modules(block: str) -> set[str]:
    """Return the first parts of the names of the modules that a block imports."""
    names = set()
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def _text_cell(text: str, page: str, folder: Path, root: str) -> nbformat.NotebookNode:
    """Return a Markdown cell, with images as attachments and links to the pages of the site."""
    attachments = {}

    def attach(match: re.Match[str]) -> str:
        path = folder / match[2]
        if "://" in match[2] or not path.exists():
            return match[0]
        kind = mimetypes.guess_type(path.name)[0] or "image/png"
        content = base64.b64encode(path.read_bytes()).decode()
        if kind == "image/svg+xml":  # JupyterLab does not show it as an attachment
            return f"![{match[1]}](data:{kind};base64,{content})"
        attachments[path.name] = {kind: content}
        return f"![{match[1]}](attachment:{path.name})"

    def link(match: re.Match[str]) -> str:
        target, _, anchor = match[2].partition("#")
        if "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) if target else page
        address = root + re.sub(r"\.md$", ".html", path) + (f"#{anchor}" if anchor else "")
        return f"[{match[1]}]({address})"

    cell = new_markdown_cell(LINK.sub(link, IMAGE.sub(attach, text)))
    if attachments:
        cell.attachments = attachments
    return cell
