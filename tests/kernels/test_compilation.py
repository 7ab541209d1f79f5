"""Tests of compilation by several processes: which calls are recorded, what helper processes leave in the cache, the locks."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading

import numpy as np
import pytest

from pellucid import kernels
from pellucid.kernels import compilation
from pellucid.kernels.compilation import Helpers, KernelCall, RecordedKernels, is_first_use, shared
from pellucid.kernels.sources import source_stamp
from pellucid.kernels.window import Window

COUNTED = """
import sys
from numba.core.event import Listener, install_listener

class Count(Listener):
    def __init__(self): self.started = []
    def on_start(self, event): self.started.append(event.data["dispatcher"].py_func.__name__)
    def on_end(self, event): pass

count = Count()
"""

SCALE = f"""{COUNTED}
import numpy as np
from pellucid.kernels import compiled
x = np.ones(3, np.float32)
with install_listener("numba:compile", count):
    compiled.scale(x, 2.0)
assert (x == 2).all()
print(len(count.started))
"""

SLOW = f"""{COUNTED}
import os, pathlib
sys.path.insert(0, sys.argv[1])
import slow
assert slow.once(3) == 3  # what Numba does first in a process takes longer than to compile
(pathlib.Path(sys.argv[1]) / f"{{os.getpid()}}.ready").touch()
with install_listener("numba:compile", count):
    assert slow.twice(3) == 6
print(count.started.count("twice"))
"""

SHARED = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
import slow
from numba import types
started = pathlib.Path(sys.argv[1]) / "started"
slow.once(3)
print("ready", flush=True)
if sys.argv[2] == "second":
    while not started.exists():
        time.sleep(0.01)
else:
    sys.stdin.readline()
slow.outer.compile((types.int64,))  # the second process waits for the first, and compiles what may be called meanwhile
print(len(slow.later.overloads), flush=True)
sys.stdin.read()
"""

HELD = """
import sys
sys.path.insert(0, sys.argv[1])
import slow
from numba import types
from pellucid.kernels.compiled import jit
if sys.argv[2] == "hold":
    with jit._locked(slow.twice._cache.cache_path, f"slow.twice{(types.int64,)}"):
        print("held", flush=True)
        sys.stdin.read()
else:
    sys.stdin.readline()
    jit.LONGEST_WAIT = 1.0
    print(slow.twice(3), flush=True)
    sys.stdin.read()
"""

TWICE = """
import sys
sys.path.insert(0, sys.argv[1])
import slow
if sys.argv[2:]:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
print(slow.twice(3), sum(slow.twice.stats.cache_misses.values()))  # compiled, and not read
"""

WRONG = """
import sys
sys.path.insert(0, sys.argv[1])
import slow
try:
    slow.wrong(3)
except Exception as error:
    print(type(error).__name__, flush=True)
sys.stdin.read()
"""

MODULE = """
import time
from pathlib import Path
from numba.extending import intrinsic
from numba import types
from pellucid.kernels.compiled.jit import jit

@intrinsic
def double(typing, x):
    def emit(context, builder, signature, args):
        return builder.add(args[0], args[0])
    return types.int64(types.int64), emit

@jit
def once(x):
    return x

@jit
def twice(x):
    return double(x)

@jit
def wrong(x):
    return x.no_such_thing
"""

CALLING = """
from pellucid.kernels.compiled.indirect_calls import indirect_call

@jit
def later(x):
    pass

@intrinsic
def pause(typing, x):
    def emit(context, builder, signature, args):
        (Path(__file__).parent / "started").touch()
        while not list((Path(__file__).parent / "cache").rglob("slow.later-*.nbc")):
            time.sleep(0.01)
        return args[0]
    return types.int64(types.int64), emit

@jit
def outer(x):
    indirect_call(later, (x,))
    pause(x)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache for the compiled code of other processes."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_each_kind_of_call_is_recorded_once_without_values():
    recorder = RecordedKernels()
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for n in (3, 2):
        recorder.relu(x[:n], out=np.empty_like(x[:n]))  # another batch size: the same kind
    recorder.relu(x[:, 1:], out=np.empty((3, 3), np.float32))
    assert [call.name for call in recorder.calls] == ["relu", "relu"]
    first, second = (call.arguments[0] for call in recorder.calls)
    assert (first.shape, second.shape, second.strides) == ((3, 4), (3, 3), (16, 4))
    assert not second.zeros().any()
    assert second.zeros().strides == (16, 4)


def test_recorded_kernels_compute_what_the_reference_kernels_compute():
    recorder, x = RecordedKernels(), np.array([-1.0, 2.0], np.float32)
    assert recorder.relu(x, out=np.empty_like(x)).tolist() == [0, 2]
    assert kernels.name_of(recorder) == "reference"


def test_truth_values_small_integers_and_windows_make_a_kind_of_their_own():
    def kind(*arguments):
        return KernelCall.of("gelu", arguments, {}).kind

    assert kind(True) != kind(False)
    assert kind(1) != kind(2)
    assert kind(1000) == kind(1001)
    assert kind(0.5) == kind(0.25)
    assert kind(Window(2, 2)) != kind(Window(3, 3))


def test_a_read_only_array_is_read_only_again():
    x = np.zeros(3)
    x.flags.writeable = False
    assert not KernelCall.of("scale", (x,), {}).arguments[0].zeros().flags.writeable


def test_helpers_compile_the_calls_into_the_cache(cache, monkeypatch):
    monkeypatch.setattr(compilation, "usable_cores", lambda: 2)
    assert is_first_use()
    helpers = Helpers()
    helpers.give([KernelCall.of("scale", (np.ones(3, np.float32), 2.0), {})])
    (process,) = helpers._processes
    assert process.wait() == 0
    helpers.stop()
    assert not is_first_use()
    program = subprocess.run([sys.executable, "-c", SCALE], capture_output=True, text=True, check=True)
    assert program.stdout.strip() == "0"


def test_helpers_that_fail_do_no_harm(monkeypatch):
    monkeypatch.setattr(compilation, "usable_cores", lambda: 2)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    helpers = Helpers()
    helpers.give([KernelCall.of("scale", (np.ones(3), 2.0), {})])
    helpers.stop()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    helpers.give([KernelCall.of("scale", (np.zeros(100_000).reshape(-1), 2.0), {})] * 1000)
    helpers.stop()
    assert not helpers._processes


def test_the_reference_kernels_need_no_help():
    recorded = []
    with shared(kernels.load("reference"), lambda: recorded.append(1)):
        kernels.load("reference").scale(np.ones(3), 2.0)
    assert not recorded


def test_an_error_while_calls_are_recorded_does_not_reach_the_training(monkeypatch):
    class Announcing:
        __name__ = "pellucid.kernels.compiled"

        def announce_compilation(self, say):
            say("compiling")
            return kernels.load("reference").announce_compilation(say)

    monkeypatch.setattr(compilation, "usable_cores", lambda: 2)
    with shared(Announcing(), lambda: 1 / 0):
        pass


@contextlib.contextmanager
def run_at_once(program, folder, *arguments):
    """Two processes of a program, which end with the block; each may have an argument of its own."""
    with contextlib.ExitStack() as stack:
        processes = []
        for argument in arguments or ((), ()):
            command = [sys.executable, "-c", program, str(folder), *argument]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            processes.append(process)
        yield processes


def line(process):
    """Return the next line that a process prints. One that waits for ever prints none."""
    found = queue.Queue()
    threading.Thread(target=lambda: found.put(process.stdout.readline().strip()), daemon=True).start()
    try:
        return found.get(timeout=120)
    except queue.Empty:
        raise AssertionError("a process has printed nothing for two minutes") from None


def test_of_two_processes_one_compiles_and_the_other_waits(cache, tmp_path):
    both_ready = "    while len(list(Path(__file__).parent.glob('*.ready'))) < 2: time.sleep(0.01)\n"
    (tmp_path / "slow.py").write_text(MODULE.replace("    def emit", f"{both_ready}    def emit", 1))
    with run_at_once(SLOW, tmp_path) as processes:
        counts = [int(line(process)) for process in processes]
    assert sorted(counts) == [0, 1]


def test_a_process_that_waits_compiles_what_may_be_called(cache, tmp_path):
    (tmp_path / "slow.py").write_text(MODULE + CALLING)
    with run_at_once(SHARED, tmp_path, ["first"], ["second"]) as (first, second):
        assert [line(first), line(second)] == ["ready", "ready"]
        first.stdin.write("\n")
        first.stdin.flush()
        assert line(second) == "1"


def test_a_process_does_not_wait_for_ever_for_one_that_was_stopped(cache, tmp_path):
    (tmp_path / "slow.py").write_text(MODULE)
    with run_at_once(HELD, tmp_path, ["hold"], ["wait"]) as (holder, waiter):
        assert line(holder) == "held"
        waiter.stdin.write("\n")
        waiter.stdin.flush()
        assert line(waiter) == "6"


def of_function(cache, kind):
    return [path for path in cache.rglob(f"*.{kind}") if path.name.startswith("slow.twice-")]


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04damaged"])
def test_a_damaged_file_of_the_cache_counts_as_missing(cache, tmp_path, kind, content):
    (tmp_path / "slow.py").write_text(MODULE)
    command = [sys.executable, "-c", TWICE, str(tmp_path)]
    for compiled in ("1", "1", "0"):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["6", compiled]
        for path in of_function(cache, kind) if compiled == "1" and content is not None else []:
            path.write_bytes(content)
        content = None  # the second process has mended it


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for the size of files")
def test_code_that_cannot_be_written_leaves_no_code_of_other_sources(cache, tmp_path):
    command, source = [sys.executable, "-c", TWICE, str(tmp_path)], tmp_path / "slow.py"
    source.write_text(MODULE)
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["6", "1"]
    source.write_text(MODULE.replace("return double(x)", "return double(x) + 100"))
    full = subprocess.run([*command, "1500"], capture_output=True, text=True, check=True)
    assert full.stdout.split() == ["106", "1"]
    assert "compiled kernels cannot be written to" in full.stderr
    assert of_function(cache, "nbi"), "the limit is too small for the index, which is the case that this test is about"
    assert not of_function(cache, "nbc")
    for compiled in ("1", "0"):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["106", compiled]
        assert len(of_function(cache, "nbc")) == 1


def test_an_error_gives_the_lock_back(cache, tmp_path):
    (tmp_path / "slow.py").write_text(MODULE)
    with run_at_once(WRONG, tmp_path) as processes:
        assert [line(process) for process in processes] == ["TypingError"] * 2  # both live until here


def test_the_stamp_changes_with_the_content_of_a_file_and_not_with_its_time(tmp_path):
    (tmp_path / "kernel.py").write_text("x = 1")
    (tmp_path / "notes.txt").write_text("not a source")
    stamp = source_stamp(tmp_path)
    os.utime(tmp_path / "kernel.py", (0, 0))
    (tmp_path / "notes.txt").write_text("still not a source")
    assert source_stamp(tmp_path) == stamp
    (tmp_path / "kernel.py").write_text("x = 2")
    assert source_stamp(tmp_path) != stamp
