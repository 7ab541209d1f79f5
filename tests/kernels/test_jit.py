"""Tests of how kernels are compiled: the stamp of the sources, and functions that only compiled code calls."""

from __future__ import annotations

import os

import pytest

from pellucid.kernels.compiled.jit import inner_jit, jit, source_stamp


@inner_jit
def doubled(x):
    return 2 * x


@jit
def plus_one(x):
    return doubled(x) + 1


def test_python_cannot_call_an_inner_function():
    with pytest.raises(TypeError, match="only compiled code can call doubled"):
        doubled(3)


def test_compiled_code_calls_an_inner_function():
    assert plus_one(3) == 7
    with pytest.raises(TypeError, match="decorate it with jit"):  # also once it is compiled
        doubled(3)


def test_the_stamp_changes_with_the_content_of_a_file_and_not_with_its_time(tmp_path):
    (tmp_path / "kernel.py").write_text("x = 1")
    (tmp_path / "notes.txt").write_text("not a source")
    stamp = source_stamp(tmp_path)
    os.utime(tmp_path / "kernel.py", (0, 0))
    (tmp_path / "notes.txt").write_text("still not a source")
    assert source_stamp(tmp_path) == stamp
    (tmp_path / "kernel.py").write_text("x = 2")
    assert source_stamp(tmp_path) != stamp
