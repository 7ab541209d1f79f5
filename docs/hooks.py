"""What the site needs besides MkDocs: pages that lie outside of docs/, the lab's pages where there are any, and docstrings as
Markdown. Named in mkdocs.yml, twice: MkDocs calls ``on_…``, mkdocstrings takes :class:`Docstrings`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

OUTSIDE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "benchmarks/README.md": "measuring.md"}
ROLE = re.compile(r":[a-z]+:`(~?)([\w.]+)`")  # :class:`~pellucid.layers.Dense`


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Behind lab.md stand the pages that ``pellucid lab report --markdown docs/lab`` wrote, in the order of their index."""
    index = Path(config.docs_dir, "lab", "index.md")
    if index.exists() and config.nav:
        chapters = dict.fromkeys(re.findall(r"\]\(([\w-]+\.md)#", index.read_text(encoding="utf-8")))
        lab = next(entry["The lab"] for entry in config.nav if "The lab" in entry)
        lab += [{"All verdicts": "lab/index.md"}, *(f"lab/{chapter}" for chapter in chapters)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages from outside, as if they lay in docs/."""
    for path, name in OUTSIDE.items():
        text = (Path(config.config_file_path).parent / path).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=re.sub(r"\]\((\.\./)?docs/", "](", text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to the pages from outside, and Markdown inside of <details>, which GitHub reads without being told."""
    for path, name in OUTSIDE.items():
        markdown = markdown.replace(f"](../{path})", f"]({name})")
    return markdown.replace("<details>", '<details markdown="1">')


class Docstrings(griffe.Extension):
    """Docstrings as Markdown: names in roles become links, examples and lines that are set out by hand stay as they are.
    And the source of a dataclass, which wrote no ``__init__``, is the whole class."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            home = obj.path if obj.is_module or obj.is_class else obj.parent.path if obj.parent else ""
            obj.docstring.value = readable(obj.docstring.value, home)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        inside: list[griffe.Object] = [pkg]
        while inside:
            one = inside.pop()
            inside += [member for member in one.members.values() if not member.is_alias]
            if "dataclass" in one.labels and (init := one.members.get("__init__")) and not init.lineno:
                init.lineno, init.endlineno = one.lineno, one.endlineno


def readable(docstring: str, home: str) -> str:
    """``docstring`` as Markdown; ``home`` is where names without a dot are looked for."""

    def link(match: re.Match[str]) -> str:
        short, name = match.groups()
        target = name if name.startswith("pellucid.") else f"{home}.{name}"
        shown = name.rpartition(".")[2] if short else name
        return f'<autoref optional identifier="{target}"><code>{shown}</code></autoref>'

    return "\n\n".join(_fenced(ROLE.sub(link, part)) for part in docstring.replace("::\n", ":\n").split("\n\n"))


def _fenced(paragraph: str) -> str:
    if paragraph.startswith(">>> "):
        return f"```pycon\n{paragraph}\n```"
    if paragraph.startswith((" ", "-")):
        return paragraph  # Markdown shows what is indented as it is
    if re.search(r"\S {3,}\S", paragraph):
        return f"```text\n{paragraph}\n```"
    return paragraph.replace("] [", "] \\[")  # a product of matrices, and no link
