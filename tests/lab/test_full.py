"""The lab in full, half an hour: every verdict on the whole MNIST, beside the published one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pellucid import DataError
from pellucid.data import mnist
from pellucid.lab import Results, Size, in_order, run_all
from pellucid.report import contents, unfinished

INDEX = Path(__file__).parents[2] / "docs" / "lab" / "index.md"


@pytest.mark.long
def test_the_full_lab_finds_what_is_published(tmp_path):
    """``PELLUCID_LAB`` names a folder of results to go on from."""
    try:
        if mnist().name != "mnist":
            pytest.skip("the full MNIST is not here")
    except DataError:
        pytest.skip("the full MNIST is not here")
    results = Results(os.environ.get("PELLUCID_LAB") or tmp_path)
    list(run_all([name for name, _ in in_order()], results))
    found = contents(results, Size.FULL)
    assert not unfinished(found)
    published = dict(re.findall(r"\.md#([\w-]+)\) \| ([\w ]+) \|", INDEX.read_text(encoding="utf-8")))
    assert {section.name: section.verdict.says for section in found.sections} == published
