"""Networks as C99: compiled by gcc and clang without a warning, they compute what the model computes, for every layer."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import (
    ConfigError,
    Conv2D,
    CrossEntropy,
    Dense,
    Embedding,
    FileError,
    Flatten,
    LayerSpec,
    MeanSquaredError,
    Permute,
    ReLU,
    Reshape,
    Sequential,
    Softmax,
)
from pellucid.cli import application
from pellucid.core.memory import Slot
from pellucid.data.input_stage import ImageScaling, Passthrough
from pellucid.data.tables.columns import Column, Standardization
from pellucid.data.tables.robust_scaling import RobustScaling
from pellucid.export import verification
from pellucid.export.plain import c_program
from pellucid.export.plain.calls import Call, Source, Weights, X, Y
from pellucid.export.plain.libraries import library
from pellucid.export.plain.plan import make_plan
from pellucid.export.verification import random_samples, run_c
from pellucid.initializers import Ones
from pellucid.layers import Layer
from pellucid.runs.presets import preset
from tests.export.plain_networks import BOUND, assert_close, rows
from tests.export.test_export import trained_layer
from tests.export.test_export_several import everything, names_only, one_input, siamese

STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
COMPILERS = [
    pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed"))
    for name in ("gcc", "clang")
]


def compiled(compiler: str, folder: Path, *arguments: str) -> None:
    """Compile with all warnings as errors."""
    done = subprocess.run([compiler, *STRICT, *arguments, "-lm"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]


def written(model, folder: Path, **options) -> Path:
    model.export_c(folder, **options)
    return folder


def run_program(model, folder: Path, x) -> np.ndarray:
    """Compile an export with gcc and all warnings, and return what the command prints for the samples x."""
    return run_c(folder, x, model.output_shape)


# -- every layer ------------------------------------------------------------------------------------------------------


def one_source(networks: list) -> str:
    """Return one file with a function predict_i for each of many networks, whose names of constants are made unique."""
    plans = [make_plan(one.trained, "c") for one in networks]
    needed = library("c").needed(set().union(*(plan.functions for plan in plans)))
    lines = ["#include <math.h>", "#include <string.h>", *c_program.functions(needed)]
    for i, plan in enumerate(plans):
        lines.append(f"{c_program.declaration(plan, f'predict_{i}')};")
        text = "\n".join([*c_program.weights(plan), *c_program.predict(plan, f"predict_{i}")])
        lines.append(re.sub(rf"\b({'|'.join(plan.weights)})\b", rf"\1_{i}", text) if plan.weights else text)
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_layer_computes_the_same_in_c(compiler, tmp_path):
    networks = rows()
    (tmp_path / "all.c").write_text(one_source(networks), encoding="utf-8")
    compiled(compiler, tmp_path, "-O1", "-shared", "-fPIC", "-o", "all.so", "all.c")
    shared = ctypes.CDLL(str(tmp_path / "all.so"))
    numbers = ctypes.POINTER(ctypes.c_float)
    for i, row in enumerate(networks):
        outputs = np.full(row.expected.shape, np.nan, np.float32)
        for x, y in zip(row.x.astype(np.float32), outputs, strict=True):
            refused = getattr(shared, f"predict_{i}")(
                np.ascontiguousarray(x).ctypes.data_as(numbers), y.ctypes.data_as(numbers)
            )
            assert refused == 0, row.name
        assert_close(outputs, row)


@pytest.mark.long
def test_no_layer_reads_or_writes_outside_its_arrays(tmp_path):
    networks = rows()
    calls = [f"    predict_{i}(x, y);" for i in range(len(networks))]
    size = max(max(row.x[0].size, row.expected[0].size) for row in networks)
    main = [f"static float x[{size}], y[{size}];", "int main(void)", "{", *calls, "    return 0;", "}", ""]
    (tmp_path / "all.c").write_text(one_source(networks) + "\n".join(main), encoding="utf-8")
    flags = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover"]
    probe = subprocess.run(
        ["gcc", *flags, "-x", "c", "-", "-o", tmp_path / "probe"], input="int main(void){return 0;}", text=True
    )
    if probe.returncode:
        pytest.skip("gcc has no sanitizers here")
    compiled("gcc", tmp_path, *flags, "-o", "all", "all.c")
    subprocess.run([tmp_path / "all"], check=True)


def test_a_preset(tmp_path):
    model = preset("cnn").network(10).compile((28, 28, 1), CrossEntropy(), input_stage=ImageScaling())
    x = random_samples(model.network, model.input_stage, (28, 28, 1), 3)
    assert np.abs(run_program(model, written(model, tmp_path), x) - model.predict(x)).max() <= BOUND


# -- files and programs -----------------------------------------------------------------------------------------------


def small_model(**options):
    network = Sequential(Flatten(), Dense(6), ReLU(), Dense(3), Softmax())
    return network.compile((4, 4, 1), CrossEntropy(), **{"input_stage": ImageScaling(), **options})


@pytest.mark.parametrize("compiler", COMPILERS)
def test_make_builds_a_command_that_reads_samples(compiler, tmp_path):
    model = small_model(classes=("Öl", 'a "b"\\n', "??)"))
    folder = written(model, tmp_path / "new" / "net")
    assert sorted(path.name for path in folder.iterdir()) == sorted(c_program.FILES)
    flags = "CFLAGS=-O2 -Wall -Wextra -Werror -pedantic -std=c99"
    subprocess.run(["make", "-s", f"CC={compiler}", flags], cwd=folder, check=True)
    x = random_samples(model.network, model.input_stage, (4, 4, 1), 3)
    samples = [", ".join(map(str, x[0].ravel())), ";".join(map(str, x[1].ravel())), "\n".join(map(str, x[2].ravel()))]
    printed = subprocess.run([folder / "predict"], input="\n".join(samples), capture_output=True, text=True, check=True).stdout
    wanted = model.predict(x)
    lines = printed.splitlines()
    assert len(lines) == 3
    for line, outputs in zip(lines, wanted, strict=True):
        label, *values = line.rsplit(" ", 3)
        assert label == model.classes[outputs.argmax()]
        np.testing.assert_allclose([float(value) for value in values], outputs, atol=BOUND)
    for wrong, message in (
        ("1 2 3", "has 16 numbers, the last one has 3"),
        ("1 2 x", "has 16 numbers"),
        ("nan " * 16, "accept"),
    ):
        refused = subprocess.run([folder / "predict"], input=wrong, capture_output=True, text=True)
        assert refused.returncode == 1
        assert message in refused.stderr
    assert subprocess.run([folder / "predict"], input=" \n", text=True, check=True, capture_output=True).stdout == ""


def test_the_header_states_sizes_and_memory(tmp_path):
    folder = written(small_model(classes=("a", "b", "c")), tmp_path)
    text = (folder / "network.h").read_text()
    sizes = dict(re.findall(r"#define (\w+) (\d+)", text))
    parameters = 16 * 6 + 6 + 6 * 3 + 3
    assert {name: int(value) for name, value in sizes.items()} == {
        "INPUT_SIZE": 16, "OUTPUT_SIZE": 3, "WEIGHT_BYTES": 4 * parameters, "WORKSPACE_BYTES": 4 * (16 + 6), "CLASSES_COUNT": 3,
    }  # fmt: skip
    assert "the pixels as they are in the images, from 0 to 255" in text
    assert "492 bytes of constants, and 88 bytes of workspace" in text


@pytest.mark.parametrize("make", [everything, siamese, one_input, names_only])
def test_several_inputs_and_outputs_are_several_pointers(make, tmp_path):
    model = make()
    for array in model.state.arrays().values():
        array += 0.1
    x = random_samples(model.network, model.input_stage, model.input_shape, 3)
    folder = written(model, tmp_path)
    compiled("gcc", folder, "-o", "program", "main.c", "network.c")
    actual, wanted = run_program(model, folder, x), model.predict(x)
    for one, other in [(actual[name], wanted[name]) for name in wanted] if isinstance(wanted, dict) else [(actual, wanted)]:
        np.testing.assert_allclose(one, other, rtol=0, atol=BOUND)


def test_shared_parameters_are_stored_once(tmp_path):
    text = (written(siamese(), tmp_path) / "network.c").read_text()
    stored = re.findall(r"^static const float (\w+)\[", text, re.MULTILINE)
    assert sorted(name for name in stored if name.startswith(("first", "second"))) == [
        *("first_dense1_W", "first_dense1_b", "first_dense2_W", "first_dense2_b")
    ]


def test_tables_are_standardized_and_missing_values_filled_in(tmp_path):
    columns = (Column("year"), Column("size */", ("a", "b")))
    stage = Standardization(columns, (2000.0, 0.25, 0.75), (3.0, 1.0, 1.0), missing="mean")
    model = Sequential(Dense(4), ReLU(), Dense(2)).compile((3,), MeanSquaredError(), input_stage=stage)
    x = random_samples(model.network, stage, (3,), 5).astype(np.float32)
    x[1, 0] = x[2, 2] = np.nan
    folder = written(model, tmp_path)
    np.testing.assert_allclose(run_program(model, folder, x), model.predict(x), atol=BOUND)
    assert "the columns year, size * /=a, size * /=b" in " ".join((folder / "network.h").read_text().split())
    strict = Sequential(Dense(2)).compile((3,), MeanSquaredError(), input_stage=Standardization(columns, (0,) * 3, (1,) * 3))
    with pytest.raises(ConfigError, match="does not accept"):
        run_program(strict, written(strict, tmp_path), x)


def test_tables_are_scaled_robustly(tmp_path):
    columns = (Column("year", missing=True), Column("size", ("a", "b", "c"), coded=True))
    stage = RobustScaling(columns, (2000.0, 0.0, 0.0), (3.0, 1.0, 1.0))
    model = Sequential(Dense(4), ReLU(), Dense(2)).compile((3,), MeanSquaredError(), input_stage=stage)
    x = random_samples(model.network, stage, (3,), 20).astype(np.float32)
    x[1, 0], x[2, 0] = np.nan, 1e9
    folder = written(model, tmp_path)
    np.testing.assert_allclose(run_program(model, folder, x), model.predict(x), atol=BOUND)
    for wrong in (x + np.inf, x - np.inf):
        with pytest.raises(ConfigError, match="does not accept"):
            run_program(model, folder, wrong)


def test_values_that_predict_refuses_are_refused(tmp_path):
    model = Sequential(Embedding(5, 3), Flatten(), Dense(2)).compile((4,), MeanSquaredError(), input_stage=Passthrough())
    x = np.array([[0, 4, 1, 2]], np.int64)
    folder = written(model, tmp_path)
    np.testing.assert_allclose(run_program(model, folder, x), model.predict(x), atol=BOUND)
    for wrong in (x + 0.5, x - 1, x + 1, x + np.nan, x + np.inf, x - 2.0**33):
        with pytest.raises(ConfigError, match="does not accept"):
            run_program(model, folder, wrong)


def test_equal_models_give_equal_files_and_only_exports_are_replaced(tmp_path):
    first, second = (written(small_model(), tmp_path / name) for name in "ab")
    for name in c_program.FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    written(small_model(seed=1), first)
    assert (first / "network.c").read_bytes() != (second / "network.c").read_bytes()
    (second / "main.c").write_text("int main(void) { return 0; } /* my own work */\n")
    before = {path: path.read_bytes() for path in second.iterdir()}
    with pytest.raises(FileError, match="was not written by export_c"):
        small_model(seed=1).export_c(second)
    assert {path: path.read_bytes() for path in second.iterdir()} == before
    with pytest.raises(FileError):
        small_model().export_c(second / "main.c")


def test_only_the_functions_that_the_network_needs_are_written(tmp_path):
    text = (written(small_model(), tmp_path) / "network.c").read_text()
    functions = re.findall(r"^static \w+ (\w+)\(", text, re.MULTILINE)
    assert functions == ["scale_bytes", "add_product", "dense", "relu", "softmax"]


def test_weights_that_are_not_numbers_are_refused(tmp_path):
    model = small_model()
    model.state.arrays()["dense2.W"][0, 0] = np.nan
    with pytest.raises(ConfigError, match="the weights dense2_W contain NaN or infinity"):
        model.export_c(tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_more_than_four_axes_in_another_order_are_refused(tmp_path):
    network = Sequential(Reshape((2, 1, 2, 1, 2)), Permute((4, 3, 2, 1, 0)), Flatten(), Dense(2))
    with pytest.raises(ConfigError, match=r"permute1: .* has 5 axes"):
        network.compile((8,), MeanSquaredError()).export_c(tmp_path)


# -- user-defined layers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaled(Layer):
    """y = x s."""

    def build(self, shape):
        return LayerSpec(shape, {"s": Slot(shape[-1:], Ones())})

    def forward(self, p, x, ctx):
        return x * p.s

    def backward(self, p, g, dy, ctx):
        raise NotImplementedError


SCALE = Source(
    "scale",
    c="static void scale(const float *x, float *y, const float *s, int n)\n{\n"
    "    for (int i = 0; i < n; i++)\n        y[i] = x[i] * s[i];\n}",
    js="function scale(x, y, s, n) {\n  for (let i = 0; i < n; i++) y[i] = x[i] * s[i];\n}",
)


def scaled(step):
    return [Call(SCALE, X, Y, Weights("s", step.arrays["s"]), step.shape[0])]


def test_user_defined_layers_are_exported_with_a_function(tmp_path):
    trained, predict = trained_layer(Sequential(Dense(3), Scaled(), Scaled()), (2,))
    x = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    for name, text in c_program.c_program(trained, {Scaled: scaled}).items():
        (tmp_path / name).write_text(text)
    np.testing.assert_allclose(run_c(tmp_path, x, (3,)), predict(x), atol=BOUND)


def test_errors_of_user_defined_layers_say_what_to_do():
    trained, _ = trained_layer(Sequential(Dense(3), Scaled()), (2,))
    with pytest.raises(ConfigError, match=re.escape("export_c(path, layers={Scaled: function})")):
        c_program.c_program(trained)
    for call, message in (
        (Call("dens", X, Y), "there is no function 'dens': did you mean 'dense'"),
        (Call(Source("scale", js="function scale() {}"), X, Y), "has no source for this language"),
        (Call(Source("dense", c="static void dense(void) {}"), X, Y), "already is another function named dense"),
    ):
        with pytest.raises(ConfigError, match=message):
            c_program.c_program(trained, {Scaled: lambda step, call=call: [call]})


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_compiles_what_it_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_model().save("net.pellucid")
    done = CliRunner().invoke(application(), ["export", "net.pellucid", "--c", "net"])
    assert done.exit_code == 0, done.output
    (away,) = re.findall(r"^net: network\.h, .* 8 random samples: (\S+)$", done.output, re.MULTILINE)
    assert float(away) <= BOUND
    monkeypatch.setattr(verification, "c_compiler", lambda: None)
    done = CliRunner().invoke(application(), ["export", "net.pellucid", "--c", "net"])
    assert "not verified: compiling C needs a compiler" in done.output
    for wrong in (["--int8"], ["--int8", "--onnx", "net.onnx"]):
        refused = CliRunner().invoke(application(), ["export", "net.pellucid", *wrong])
        assert refused.exit_code == 2
        assert "add --c FOLDER" in refused.output
    assert not Path("net.onnx").exists()


def test_images_are_convolved_in_a_program(tmp_path):
    model = Sequential(Conv2D(4, 3, padding="same"), ReLU(), Dense(3), Softmax()).compile(
        (5, 6, 1), CrossEntropy(), classes=("a", "b", "c"), input_stage=ImageScaling()
    )
    x = random_samples(model.network, model.input_stage, (5, 6, 1), 2)
    actual = run_program(model, written(model, tmp_path), x)
    np.testing.assert_allclose(actual, model.predict(x), atol=BOUND)
    assert actual.shape == (2, 5, 6, 3)
