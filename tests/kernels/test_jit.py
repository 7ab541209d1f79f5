"""Tests of how kernels are compiled: functions that only compiled code calls."""

from __future__ import annotations

import warnings

import numba
import pytest

from pellucid.kernels.compiled.jit import inner_jit, jit


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


def test_a_cache_that_cannot_be_written_is_reported_once(monkeypatch):
    njit = numba.njit

    def without_folder(**options):
        if options.get("cache"):
            raise RuntimeError("no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", without_folder)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        functions = jit(lambda x: x + 1), jit(lambda x: x + 2)
    assert [function(1) for function in functions] == [2, 3]
    assert ["NUMBA_CACHE_DIR" in str(warning.message) for warning in found] == [True]
