"""Tests of the prebuilt library: a small one is built and called in a process that has no Numba."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.kernels import build, compiled, prebuilt
from pellucid.kernels.interface import KERNEL_NAMES
from pellucid.kernels.prebuilt import NotPrebuilt, kind_of
from pellucid.kernels.window import Window
from tests.kernels.test_kernel_pairs import ROWS, SHAPES, make

SOME = (
    "activations._relu ",
    "dense._affine ",
    "losses.softmax_cross_entropy_labels ",
    "optimizers.adam ",
    "tape._replay ",
    "thread_pool._worker_loop ",
    "vector_ops.sum_of_squares ",
)
CPU = "generic" if build.platform.machine() == "aarch64" else "x86-64-v3"

# Without Numba: the results of kernels, plain and recorded, and how often a task ran in another thread.
PROGRAM = """
import json, sys, warnings
sys.modules["numba"] = sys.modules["llvmlite"] = None
from pathlib import Path
import numpy as np
from pellucid import kernels
from pellucid.kernels import prebuilt, reference
prebuilt.FOLDER = Path(sys.argv[1])
k = kernels.load("compiled")
k.set_num_threads(2)
rng = np.random.default_rng(0)
normal = lambda *shape: rng.normal(size=shape).astype(np.float32)
found = {}

def errors(name, call, *arrays):
    copies = [array.copy() for array in arrays]
    results = call(k, *arrays), call(reference, *copies)
    pairs = list(zip(arrays, copies)) + [results] * (results[1] is not None)
    found[name] = max(float(np.max(np.abs(np.asarray(a) - b) / (1 + np.abs(b)), initial=0)) for a, b in pairs)

x, W, b, y = normal(400, 300), normal(300, 200), normal(200), np.empty((400, 200), np.float32)
x.flags.writeable = False
errors("affine", lambda k, W, b, y: k.affine(x, W, b, y), W, b, y)
labels, dz = rng.integers(0, 200, 400), np.empty_like(y)
weights = np.ones(400, np.float32)
arguments = labels, weights, 1 / 400, 0
errors("loss", lambda k, y, out, dz: k.softmax_cross_entropy_labels(y, *arguments, out, dz), y, y.copy(), dz)
theta, g, m, v = (normal(90_000) for _ in range(4))
errors("adam", lambda k, *a: k.adam(*a, 0.1, 0.9, 0.999, 1e-8, 3), theta, g, m, v * v)
errors("sum", lambda k, v: k.sum_of_squares(v), normal(90_000))
errors("float64", lambda k, v, out: k.relu(v, out), rng.normal(size=7), np.empty(7))
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    errors("missing", lambda k, v, out: k.tanh(v, out), normal(7), np.empty(7, np.float32))
    errors("missing", lambda k, v, out: k.tanh(v, out), normal(7), np.empty(7, np.float32))
    errors("float16", lambda k, v, out: k.relu(v, out), normal(7).astype(np.float16), np.empty(7, np.float16))
found["warnings"] = [str(w.message) for w in seen]
unaligned = lambda values: np.frombuffer(b"x" + values.tobytes(), values.dtype, offset=1)
x, out = unaligned(normal(7)), np.zeros(7, np.float32)
assert not x.flags.aligned
errors("unaligned", lambda k, out: k.relu(x, out), out)
moved = unaligned(labels), unaligned(weights)
loss = lambda k, y, out, dz: k.softmax_cross_entropy_labels(y, *moved, 1 / 400, 0, out, dz)
errors("unaligned integers", loss, y, y.copy(), dz)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    errors("large", lambda k, *a: k.adam(*a, 0.1, 0.9, 0.999, 1e-8, 2**63), theta, g, m, v * v)
recorder = k.recorder(k)
tape = recorder.tape = recorder.new_tape()
source, target = normal(5), np.empty(5, np.float32)
tape.follow([source])
recorder.relu(source, target)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    recorder.tanh(target, target)  # called in Python again
recorder.tape = None
other = normal(5)
tape.move([other])
tape.replay(0)
found["tape"] = float(np.max(np.abs(target - np.tanh(np.maximum(other, 0)))))
vectors = theta, g, m, v * v
copies = [vector.copy() for vector in vectors]
tape = recorder.new_tape()
tape.note(recorder.function("sum_of_squares"), (g,))
tape.limit(tape.result, 2.0, 2.1 * float(g @ g))
numbers = tape.note(recorder.function("adam"), (*vectors, 1, 0.9, 0.999, 1e-8, 3))  # an integer where the code wants a float
arguments = *copies, 0.1, 0.9, 0.999, 1e-8, 7
for memory, place, index in numbers:
    memory[place] = arguments[index]
assert tape.replay(0)
reference.adam(*arguments)
g *= 2
assert not tape.replay(0)  # the limit is exceeded
found["update"] = float(np.max(np.abs(theta - copies[0])))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a library of some kernels."""
    if not sys.platform.startswith("linux") or shutil.which(os.environ.get("CC", "gcc")) is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("libraries")
    some = folder / "some.txt"
    lines = build.SIGNATURES.read_text().splitlines()
    some.write_text("\n".join(line for line in lines if line.startswith(SOME)))
    build.build(folder, [CPU], some)
    return folder


def test_a_library_computes_what_the_reference_kernels_compute(folder):
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PELLUCID_PREBUILT": "1"})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    missing, unknown = found.pop("warnings")
    assert "has no code for activations._tanh(f4x1, f4x1): " in missing
    assert "has no code for activations._relu with an array of float16: " in unknown
    assert max(found.values()) < 1e-5, found


def test_the_signatures_are_those_of_all_kernels_in_float32(monkeypatch):
    signatures: dict[str, list[list[str]]] = {}
    for line in build.SIGNATURES.read_text().splitlines():
        name, *kinds = line.split(" ")
        signatures.setdefault(name, []).append(kinds)

    class Names:
        def state(self) -> None:
            return

        def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
            name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
            kinds = [kind_of(argument) for argument in arguments]
            known = [wanted for wanted in signatures.get(name, []) if len(wanted) == len(kinds)]
            assert any(all(map(prebuilt.fits, kinds, wanted)) for wanted in known), f"not in signatures.txt: {name} {kinds}"
            return function(*arguments)

    recorder = compiled.recorder(compiled)
    recorder.tape = Names()
    for name in KERNEL_NAMES:
        for seed, shape in enumerate(SHAPES):
            ROWS[name](recorder, make(shape, np.float32, seed))


def test_kinds():
    x = np.zeros((4, 6), np.float32)
    assert [kind_of(x), kind_of(x[:, 1:]), kind_of(x[0])] == ["f4x2", "f4x2A", "f4x1"]
    assert kind_of((1, 2.0, True, np.float32(1), np.uint32(1), np.uint64(1))) == "(i8,f8,b1,f4,u4,u8)"
    assert kind_of(Window(1, 2, 3, 4)) == "Window"
    assert kind_of(-(2**63)) == kind_of(2**63 - 1) == "i8"
    for unknown in (x.astype(np.float16), x.astype(">f4"), None, "x", [1], 2**63, -(2**63) - 1, (1, 2**63)):
        with pytest.raises(NotPrebuilt):
            kind_of(unknown)


def test_without_a_library_there_is_none(tmp_path, monkeypatch):
    monkeypatch.delenv("PELLUCID_PREBUILT", raising=False)
    monkeypatch.setattr(prebuilt, "FOLDER", tmp_path)
    (tmp_path / "other.so").write_bytes(b"no library")
    assert prebuilt.library.__wrapped__() is None


def test_a_call_that_the_library_does_not_make_is_an_error():
    class Refusing:
        def __init__(self) -> None:
            self.codes = {"here.work": {"f4x1": (0, "none")}}

        def call(self, codes: Any, arguments: Any) -> Any:
            return NotImplemented

    def work(x):
        raise AssertionError

    function = prebuilt.Function(Refusing(), "here.work", work)
    with pytest.raises(NotPrebuilt, match=r"here.work\(f4x1\)"):
        function(np.zeros(3, np.float32))


@pytest.mark.parametrize(
    ("kinds", "count"), [("f4x1, f8x1", 1), ("f4x1", 1), ("i8x1", 1), ("f8x1, f8x1", 0), ("f8x2, i8x1, f8", 0)]
)
def test_a_warning_names_a_call_that_is_slow(kinds, count):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        prebuilt._warn_once.__wrapped__(f"normalization._moments({kinds})")
    assert ["(PELLUCID_PREBUILT=0 uses Numba instead)" in str(one.message) for one in seen] == [True] * count


def test_a_library_of_other_sources_is_not_used(folder, monkeypatch):
    monkeypatch.delenv("PELLUCID_PREBUILT", raising=False)
    monkeypatch.setattr(prebuilt, "FOLDER", folder)
    find = prebuilt.library.__wrapped__
    assert find().path == folder / f"{CPU}.so"
    monkeypatch.setattr(prebuilt, "stamp", lambda: "other")
    with pytest.warns(UserWarning, match=f"{CPU}.so is not used: it was built from other sources; build it again .*{folder}"):
        assert find() is None


def test_the_stamp_changes_with_a_kernel(tmp_path, monkeypatch):
    before = prebuilt.stamp()
    shutil.copytree(prebuilt.KERNELS, tmp_path / "compiled")
    monkeypatch.setattr(prebuilt, "KERNELS", tmp_path / "compiled")
    assert prebuilt.stamp() == before
    with open(tmp_path / "compiled" / "dense.py", "a") as file:
        file.write("# changed")
    changed = prebuilt.stamp()
    (tmp_path / "runtime.c").write_text("changed")
    monkeypatch.setattr(prebuilt, "RUNTIME", tmp_path / "runtime.c")
    assert len({before, changed, prebuilt.stamp()}) == 3


def test_a_library_needs_no_late_c_library(folder, tmp_path):
    library = folder / f"{CPU}.so"
    assert build.platform_tag([library]) == f"manylinux_2_17_{build.platform.machine()}"
    compiler = os.environ.get("CC", "gcc")

    def link(name: str, *arguments: Path | str) -> Path:
        path = tmp_path / name
        subprocess.run([compiler, "-shared", "-fPIC", *arguments, "-o", path], check=True)
        return path

    (tmp_path / "late.c").write_text("int getentropy(void *, unsigned long); int late(void *p) { return getentropy(p, 8); }")
    late = link("late.so", tmp_path / "late.c")  # since version 2.25
    assert build.platform_tag([library, late]) == f"manylinux_2_25_{build.platform.machine()}"
    other = link("other.so", tmp_path / "late.c", "-Wl,--no-as-needed", "-L", str(folder), f"-l:{CPU}.so")
    with pytest.raises(RuntimeError, match=rf"other.so needs {CPU}.so, which not every Linux has"):
        build.platform_tag([other])


def test_an_argument_of_another_form_is_an_error(folder, monkeypatch):
    library = prebuilt.Library(folder / f"{CPU}.so")
    library.load()
    for function in (library.call, library.replay, library.replay_with):
        with pytest.raises(TypeError):
            function()
    with pytest.raises(TypeError):
        library.replay("x", 0, 1)
    x, readonly = np.zeros(4, np.float32), np.zeros(4, np.float32)
    readonly.flags.writeable = False
    with pytest.raises(ValueError, match="different sizes"):
        library.replay_with(x, np.zeros(5, np.float32), 0, 0, 0)
    with pytest.raises(ValueError, match="read-only"):
        library.replay_with(x, readonly, 0, 0, 0)
    with pytest.raises(ValueError, match="contiguous"):
        library.replay_with(np.zeros(8, np.float32)[::2], x, 0, 0, 0)


def test_a_function_that_returns_a_pair_is_refused(folder, tmp_path, capfd):
    (tmp_path / "pair.txt").write_text("conv_winograd._input_tile f4x4 i8 i8 i8 f4x1\n")
    with pytest.raises(RuntimeError, match="could not be built"):
        build.build(tmp_path, [CPU], tmp_path / "pair.txt")
    assert "Python can only call functions with none, f8, i8" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("system", "machine", "cpus", "message"),
    [
        ("darwin", "arm64", (), "are for Linux"),
        ("linux", "riscv64", (), "none for riscv64"),
        ("linux", "aarch64", ("x86-64-v3",), "x86-64-v3 cannot be built on aarch64: generic"),
    ],
)
def test_a_system_without_prebuilt_kernels_is_named(tmp_path, monkeypatch, system, machine, cpus, message):
    monkeypatch.setattr(build.sys, "platform", system)
    monkeypatch.setattr(build.platform, "machine", lambda: machine)
    with pytest.raises(RuntimeError, match=message):
        build.build(tmp_path, cpus)
