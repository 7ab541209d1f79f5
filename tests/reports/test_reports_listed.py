"""The page of the documentation lists the reports that the tests of this folder render, and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "public-reports.md"
SOURCE = re.compile(r"Source: ([\w.-]+/[\w.-]+#\d+)\. Right: (.+)", re.DOTALL)


def sources() -> list[str]:
    """The threads that the docstrings of the tests name."""
    found = []
    for file in sorted(HERE.glob("test_reports_*.py")):
        if file == Path(__file__):
            continue
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                match = SOURCE.search(ast.get_docstring(node) or "")
                assert match, f"{file.name}: {node.name} says no source, or not what is right"
                found.append(match[1])
    return found


def test_the_page_lists_every_report_once():
    listed = re.findall(r"^\| \[([\w.-]+/[\w.-]+#\d+)\]\(", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == set(sources())
    assert len(listed) >= 30


def test_the_links_of_the_page_are_those_of_the_threads():
    for name, address in re.findall(r"^\| \[([^\]]+)\]\(([^)]+)\)", PAGE.read_text("utf-8"), re.MULTILINE):
        repository, number = name.split("#")
        assert address == f"https://github.com/{repository}/issues/{number}"
