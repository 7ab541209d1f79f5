"""Tests of indirect calls: the code is found by name, even by code that comes from Numba's cache."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from pellucid.kernels import compiled
from pellucid.kernels.compiled.indirect_calls import indirect_call
from pellucid.kernels.compiled.jit import jit
from pellucid.kernels.compiled.thread_pool import parallel_for
from pellucid.kernels.compiled.toolchain import cgutils, intrinsic, ir, types

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
def _wrong_task(out, task):
    out.no_such_thing()


@jit
def wrong(out):
    indirect_call(_wrong, (out,))


@jit
def wrong_tasks(out):
    parallel_for(_wrong_task, (out,), 3)


@intrinsic
def interrupt(typing):
    """Interrupt this process, as Ctrl-C does."""

    def emit(context, builder, signature, args):
        number = ir.IntType(32)
        code = cgutils.get_or_insert_function(builder.module, ir.FunctionType(number, [number]), "raise")
        builder.call(code, [number(signal.SIGINT)])
        return context.get_dummy_value()

    return types.void(), emit


@jit
def _fill_sevens(out):
    out[:] = 7


@jit
def interrupt_and_fill(out):
    interrupt()
    indirect_call(_fill_sevens, (out,))
    indirect_call(_fill_threes, (out[2:],))


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


def test_an_array_that_cannot_be_written_is_an_error():
    out = np.ones(8, np.float32)
    out.flags.writeable = False
    with pytest.raises(Exception, match="readonly"):
        compiled.relu(np.ones(8, np.float32), out)


def test_a_function_that_cannot_be_compiled_is_an_error_of_its_caller(capfd):
    for _ in range(2):
        with pytest.raises(RuntimeError, match="could not be compiled: the error of the compiler is printed"):
            wrong(np.zeros(1))
    assert capfd.readouterr().err.count("no_such_thing'") == 1, "it is compiled once"


def test_a_task_that_cannot_be_compiled_is_an_error_of_the_kernel(capfd):
    with pytest.raises(MemoryError, match="or its compilation failed, which is printed"):
        wrong_tasks(np.zeros(1))
    assert "no_such_thing" in capfd.readouterr().err


def test_an_interrupt_before_a_look_up_is_raised_after_the_call():
    """Here compiled code interrupts itself, and calls two functions then whose addresses are not known."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    out = np.zeros(3)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt_and_fill(out)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert out.tolist() == [7, 7, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_addresses_are_looked_up_in_a_forked_process():
    program = """
import os
import numpy as np
from tests.kernels.test_indirect_calls import fill
child, out = os.fork(), np.zeros(2)
fill(out, 6.0)
if child == 0:
    os._exit(0 if out.tolist() == [6, 6] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    subprocess.run(command, check=True, timeout=300, env=environment)


def test_a_second_process_compiles_nothing(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        int(subprocess.run([sys.executable, "-c", AFFINE], env=environment, capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    )
    assert first > 10
    assert second == 0
