"""Calls from afar: the code is found by name, also by code that comes from Numba's cache."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numba.core.errors import TypingError

from pellucid.kernels.compiled import far as module
from pellucid.kernels.compiled.far import far
from pellucid.kernels.compiled.jit import jit

AFFINE = """
import numpy as np
from numba.core.event import Listener, install_listener
from pellucid.kernels import compiled

class Count(Listener):
    begun = 0
    def on_start(self, event): self.begun += 1
    def on_end(self, event): pass

count = Count()
with install_listener("numba:compile", count):
    x, W, b, out = (np.ones(shape, np.float32) for shape in ((3, 5), (5, 2), 2, (3, 2)))
    compiled.affine(x, W, b, out)
assert (out == 6).all()
print(count.begun)
"""


@jit
def _fill(out, value):
    out[:] = value


@jit
def fill(out, value):
    far(_fill, (out, value))


@jit
def _wrong(out):
    out.no_such_thing()


@jit
def wrong(out):
    far(_wrong, (out,))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_type_of_arguments_finds_its_own_code(dtype):
    out = np.zeros(4, dtype)
    fill(out, dtype(3))
    fill(out[1:], dtype(4))
    np.testing.assert_array_equal(out, [3, 4, 4, 4])


def test_what_is_wrong_with_the_function_is_said_where_it_is_called():
    with pytest.raises(TypingError, match="no_such_thing"):
        wrong(np.zeros(1))


def test_an_interruption_while_code_is_looked_up_comes_when_it_is_found(monkeypatch):
    find, tries, told = module._compiled, [], []

    def interrupted(*names):
        tries.append(names)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return find(*names)

    monkeypatch.setattr(module, "_compiled", interrupted)
    monkeypatch.setattr(module._thread, "interrupt_main", lambda: told.append(True))

    @jit
    def again(out):
        far(_fill, (out, 5.0))

    out = np.zeros(2)
    again(out)
    assert out.tolist() == [5, 5]
    assert len(tries) == 2
    assert told == [True]


def test_a_second_process_compiles_nothing(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        int(subprocess.run([sys.executable, "-c", AFFINE], env=environment, capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    )
    assert first > 10
    assert second == 0
