"""Tests of indirect calls: the code is found by name, even by code that comes from Numba's cache."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from pellucid.kernels import compiled
from pellucid.kernels.compiled import indirect_calls
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import jit

AFFINE = """
import numpy as np
from numba.core.event import Listener, install_listener
from pellucid.kernels import compiled

class Count(Listener):
    started = 0
    def on_start(self, event): self.started += 1
    def on_end(self, event): pass

count = Count()
with install_listener("numba:compile", count):
    x, W, b, out = (np.ones(shape, np.float32) for shape in ((3, 5), (5, 2), 2, (3, 2)))
    compiled.affine(x, W, b, out)
assert (out == 6).all()
print(count.started)
"""


@jit
def _fill(out, value):
    out[:] = value


@jit
def fill(out, value):
    indirect_call(_fill, (out, value))


@jit
def _fill_threes(out):
    out[:] = 3


@jit
def fill_if(flag, out):
    if flag[0]:
        indirect_call(_fill_threes, (out,))


@jit
def _wrong(out):
    out.no_such_thing()


@jit
def wrong(out):
    indirect_call(_wrong, (out,))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_argument_type_has_its_own_code(dtype):
    out = np.zeros(4, dtype)
    fill(out, dtype(3))
    fill(out[1:], dtype(4))
    np.testing.assert_array_equal(out, [3, 4, 4, 4])


def test_a_function_is_compiled_when_it_is_called(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    program = (
        "import numpy as np\nfrom tests.kernels.test_indirect_calls import _fill_threes, fill_if\n"
        "out = np.zeros(2, np.float32)\n"
        "fill_if(np.zeros(1, np.bool_), out); print(len(_fill_threes.overloads)); "
        "fill_if(np.ones(1, np.bool_), out); print(len(_fill_threes.overloads), *out)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1", "3.0", "3.0"]


@pytest.mark.parametrize(
    ("x", "out"), [(np.float64, np.float32), (np.float32, np.float64), (np.int64, np.float32), (np.float16, np.float32)]
)
def test_arrays_of_types_that_do_not_fit_are_an_error(x, out):
    ones = np.ones((4, 8), x), np.ones((8, 3), np.float32), np.zeros(3, np.float32)
    with pytest.raises(Exception, match=r"nopython|infinity|float16"):
        compiled.affine(*ones, np.empty((4, 3), out))


def test_a_function_that_cannot_be_compiled_ends_the_process_with_its_error(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    program = "import numpy as np; from tests.kernels.test_indirect_calls import wrong; wrong(np.zeros(1)); print('went on')"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "no_such_thing" in done.stderr
    assert not done.stdout


def test_an_interrupt_during_the_look_up_is_raised_after_it(monkeypatch):
    compile_, tries, interrupts = indirect_calls._compile, [], threading.Semaphore(0)

    def interrupted(*names):
        tries.append(names)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return compile_(*names)

    monkeypatch.setattr(indirect_calls, "_compile", interrupted)
    monkeypatch.setattr(indirect_calls._thread, "interrupt_main", interrupts.release)

    @jit
    def again(out):
        indirect_call(_fill, (out, 5.0))

    out = np.zeros(2)
    again(out)
    assert out.tolist() == [5, 5]
    assert len(tries) == 2
    assert interrupts.acquire(timeout=120)


INTERRUPTED = """
import signal, time
import numpy as np
from pellucid.kernels.compiled import indirect_calls
from tests.kernels.test_indirect_calls import fill
signal.signal(signal.SIGINT, signal.default_int_handler)
compile_ = indirect_calls._compile

def interrupted(*names):
    signal.raise_signal(signal.SIGINT)
    return compile_(*names)

indirect_calls._compile = interrupted
out = np.zeros(2)
try:
    fill(out, 5.0)
    print("returned")
    time.sleep(120)
except KeyboardInterrupt:
    print("interrupted")
print(*out)
"""


def test_an_interrupt_while_a_function_is_compiled_is_raised_afterwards(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    assert done.stdout.split()[-3:] == ["interrupted", "5.0", "5.0"]


def test_a_second_process_compiles_nothing(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        int(subprocess.run([sys.executable, "-c", AFFINE], env=environment, capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    )
    assert first > 10
    assert second == 0
