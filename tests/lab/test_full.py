"""The full lab on the whole of MNIST and tinyshakespeare, compared with the published verdicts (half an hour)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pellucid import DataError
from pellucid.data import mnist
from pellucid.data.text import tinyshakespeare
from pellucid.lab import Results, Size, load_all, run_all
from pellucid.report import contents, unfinished

INDEX = Path(__file__).parents[2] / "docs" / "lab" / "index.md"


@pytest.mark.long
def test_the_full_lab_reproduces_the_published_verdicts(tmp_path):
    """``PELLUCID_LAB`` may name a folder with results of an earlier run, which is then resumed."""
    try:
        if mnist().name != "mnist":
            pytest.skip("the full MNIST is not available")
    except DataError:
        pytest.skip("the full MNIST is not available")
    if tinyshakespeare().name != "tinyshakespeare":
        pytest.skip("the text tinyshakespeare is not available")
    results = Results(os.environ.get("PELLUCID_LAB") or tmp_path)
    list(run_all([name for name, _ in load_all()], results))
    found = contents(results, Size.FULL)
    assert not unfinished(found)
    published = dict(re.findall(r"\.md#([\w-]+)\) \| ([\w ]+) \|", INDEX.read_text(encoding="utf-8")))
    assert {section.name: section.verdict.outcome for section in found.sections} == published
