"""The page of the documentation lists the reports that the tests of this folder render, and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "public-reports.md"
SOURCE = re.compile(r"(.+)\n\nSource: ([\w.-]+/[\w.-]+#\d+)\. Right: (.+)", re.DOTALL)
ROW = re.compile(r"^\| \[([\w.-]+/[\w.-]+#\d+)\]\([^)]+\) \| (.+) \| (.+) \|$", re.MULTILINE)
FAILED = " (failed at first)"


def plain(text: str) -> str:
    """A text without line breaks and the marks of code, and with a capital letter at its beginning."""
    text = " ".join(text.replace("`", "").split())
    return text[:1].upper() + text[1:]


def reports() -> list[tuple[str, str, str]]:
    """The threads that the docstrings of the tests name, what happened there, and what is right."""
    found = []
    for file in sorted(HERE.glob("test_reports_*.py")):
        if file == Path(__file__):
            continue
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                match = SOURCE.fullmatch(ast.get_docstring(node) or "")
                assert match, f"{file.name}: {node.name} says no source, or not what is right"
                found.append((match[2], plain(match[1]), plain(match[3])))
    return found


def test_the_page_lists_every_report_once_with_the_words_of_its_test():
    rows = ROW.findall(PAGE.read_text("utf-8").replace("\\|", "|"))
    listed = [(name, plain(there), plain(here.removesuffix(FAILED))) for name, there, here in rows]
    assert len(listed) == len({name for name, _, _ in listed}) >= 30
    assert set(listed) == set(reports())


def test_the_links_of_the_page_are_those_of_the_threads():
    for name, address in re.findall(r"^\| \[([^\]]+)\]\(([^)]+)\)", PAGE.read_text("utf-8"), re.MULTILINE):
        repository, number = name.split("#")
        assert address == f"https://github.com/{repository}/issues/{number}"
