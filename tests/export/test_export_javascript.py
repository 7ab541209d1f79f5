"""Networks as JavaScript: in Chromium they compute what the model computes, for every layer."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pellucid import CrossEntropy, Dense, Embedding, Flatten, MeanSquaredError, ReLU, Sequential, Softmax
from pellucid.data.input_stage import ImageScaling, Passthrough
from pellucid.data.tables.columns import Column, Standardization
from pellucid.data.tables.robust_scaling import RobustScaling
from pellucid.export.plain.calls import Call
from pellucid.export.plain.javascript_program import javascript_program
from pellucid.export.plain.libraries import library
from pellucid.export.verification import random_samples
from pellucid.runs.presets import preset
from tests.export.plain_networks import BOUND, assert_close, rows
from tests.export.test_export import trained_layer
from tests.export.test_export_c import Scaled, scaled
from tests.export.test_export_several import everything, names_only, one_input, siamese

# Runs scripts, each in a function of its own, on samples; an error is returned as its text.
RUN = """
(networks) => networks.map(([text, samples]) => {
  try {
    const predict = new Function(`${text}\\nreturn predict;`)();
    const entries = (y) => Object.fromEntries(Object.entries(y).map(([name, values]) => [name, [...values]]));
    const listed = (y) => y instanceof Float32Array ? [...y] : entries(y);
    return samples.map((x) => {
      const first = listed(predict(x));
      predict(samples[0]);
      return [first, listed(predict(x))];
    });
  } catch (error) {
    return String(error);
  }
})
"""


@pytest.fixture
def page(pages):
    """An empty page, on whose console there must be no error."""
    problems: list[str] = []
    listeners = {
        "console": lambda message: problems.append(message.text),
        "pageerror": lambda error: problems.append(str(error)),
        "request": lambda request: problems.append(request.url),
    }
    yield pages.open("about:blank", listeners)
    pages.end_test()
    assert problems == []


def computed(page, *networks):
    """Return the outputs of scripts for samples. Each sample is given twice, with another one between: nothing may remain."""
    results = []
    for result in page.evaluate(RUN, [list(one) for one in networks]):
        assert not isinstance(result, str), result
        for first, again in result:
            assert first == again, "an output depends on the samples before"
        results.append([first for first, _ in result])
    return results


def samples_of(x):
    """Return samples as a page receives them."""
    if isinstance(x, dict):
        names, parts = x.keys(), [samples_of(one) for one in x.values()]
        return [dict(zip(names, sample, strict=True)) for sample in zip(*parts, strict=True)]
    return x.reshape(len(x), -1).tolist()


def test_every_layer_computes_the_same_in_javascript(page):
    networks = rows()
    outputs = computed(page, *((javascript_program(row.trained), samples_of(row.x.astype(np.float32))) for row in networks))
    for row, actual in zip(networks, outputs, strict=True):
        assert_close(np.array(actual, np.float32).reshape(row.expected.shape), row)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_presets(name, page):
    model = preset(name).network(10).compile((28, 28, 1), CrossEntropy(), input_stage=ImageScaling())
    x = random_samples(model.network, model.input_stage, (28, 28, 1), 3)
    (outputs,) = computed(page, (javascript_program(model._trained_network()), samples_of(x)))
    np.testing.assert_allclose(outputs, model.predict(x), rtol=0, atol=BOUND)


@pytest.mark.parametrize("make", [everything, siamese, one_input, names_only])
def test_several_inputs_and_outputs_are_objects(make, page):
    model = make()
    for array in model.state.arrays().values():
        array += 0.1
    x = random_samples(model.network, model.input_stage, model.input_shape, 3)
    (outputs,) = computed(page, (javascript_program(model._trained_network()), samples_of(x)))
    wanted = model.predict(x)
    if not isinstance(wanted, dict):
        outputs, wanted = [{"": one} for one in outputs], {"": wanted}
    for name, one in wanted.items():
        actual = np.array([output[name] for output in outputs]).reshape(one.shape)
        np.testing.assert_allclose(actual, one, rtol=0, atol=BOUND)


def test_tables_keep_the_digits_of_large_columns(page):
    stage = Standardization((Column("time"), Column("b")), (1_700_000_000.5, 0.25), (3.0, 1.0), missing="mean")
    model = Sequential(Dense(4), ReLU(), Dense(2)).compile((2,), MeanSquaredError(), input_stage=stage)
    x = random_samples(model.network, stage, (2,), 3)
    (outputs,) = computed(page, (javascript_program(model._trained_network()), samples_of(x)))
    np.testing.assert_allclose(outputs, model.predict(x), rtol=0, atol=BOUND)
    x[1, 0] = np.nan
    text = javascript_program(model._trained_network())
    missing = page.evaluate("(text) => [...new Function(`${text}\\nreturn predict;`)()([NaN, 0.5])]", text)
    np.testing.assert_allclose(missing, model.predict(np.array([[np.nan, 0.5]]))[0], atol=BOUND)


def test_tables_are_scaled_robustly(page):
    columns = (Column("time", missing=True), Column("size", ("a", "b", "c"), coded=True))
    stage = RobustScaling(columns, (1_700_000_000.5, 0.0, 0.0), (3.0, 1.0, 1.0))
    model = Sequential(Dense(4), ReLU(), Dense(2)).compile((3,), MeanSquaredError(), input_stage=stage)
    x = random_samples(model.network, stage, (3,), 9)
    x[2, 0] = 1e12
    text = javascript_program(model._trained_network())
    (outputs,) = computed(page, (text, samples_of(x)))
    np.testing.assert_allclose(outputs, model.predict(x), rtol=0, atol=BOUND)
    missing = page.evaluate("(text) => [...new Function(`${text}\\nreturn predict;`)()([NaN, 1, 2])]", text)
    np.testing.assert_allclose(missing, model.predict(np.array([[np.nan, 1, 2]]))[0], atol=BOUND)


def test_values_that_predict_refuses_are_errors(page):
    words = Sequential(Embedding(5, 3), Flatten(), Dense(2)).compile((4,), MeanSquaredError(), input_stage=Passthrough())
    text = javascript_program(words._trained_network())
    for x, message in (
        ([0, 1, 2], "input must have 4 values, not 3"),
        ([0, 1, 2, 5], "5 is not an integer from 0 to 4"),
        ([0, 1, 2, -1], "-1 is not an integer from 0 to 4"),
        ([0, 1, 2, 0.5], "0.5 is not an integer from 0 to 4"),
        ([0, "x", 2, 3], "value 1 of the input is not a finite number"),
        ([0, 1, 2, 1e39], "value 3 of the input is not a finite number"),
    ):
        (result,) = page.evaluate(RUN, [[text, [x]]])
        assert result == f"RangeError: {message}"


def test_a_script_describes_the_network():
    stage = Standardization((Column("age"), Column("city", ("Graz", "</script>"))), (0.0,) * 3, (1.0,) * 3)
    model = Sequential(Dense(2), Softmax()).compile((3,), CrossEntropy(), classes=("no", "yes"), input_stage=stage)
    text = javascript_program(model._trained_network())
    assert dict(re.findall(r"^const ([A-Z_]+) = (.*);$", text, re.MULTILINE)).items() >= {
        "INPUT_SHAPE": "[3]",
        "INPUT_KIND": '"Standardization"',
        "COLUMNS": '["age", "city=Graz", "city=\\u003c/script>"]',
        "OUTPUT_SHAPE": "[2]",
        "CLASSES": '["no", "yes"]',
    }.items()  # fmt: skip
    assert "</script" not in text
    assert text == javascript_program(model._trained_network())
    assert re.findall(r"^function (\w+)", text, re.MULTILINE) == [
        "unpack",
        "standardize",
        "add_product",
        "dense",
        "softmax",
        "predict",
    ]


def test_user_defined_layers_are_exported_with_a_function(page):
    trained, predict = trained_layer(Sequential(Dense(3), Scaled(), Scaled()), (2,))
    x = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    (outputs,) = computed(page, (javascript_program(trained, {Scaled: scaled}), samples_of(x)))
    np.testing.assert_allclose(outputs, predict(x), atol=BOUND)


# -- both languages ---------------------------------------------------------------------------------------------------


def parameters(source: str, pattern: str) -> list[str]:
    """Return the names of the parameters of the function with this source."""
    text = re.search(pattern, re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.DOTALL), re.DOTALL)[1]
    return [re.search(r"(\w+)$", one.strip())[1] for one in text.split(",") if one.strip()]


def test_functions_have_the_same_parameters_in_both_languages():
    c, js = library("c").sources, library("js").sources
    only_c = {"cell", "quantize", "dot_int8", "dense_int8", "conv2d_int8"}
    helpers = {"add_product", "position_of", "simple_rnn_step", "lstm_step", "gru_step"}  # called by other functions alone
    assert set(c) - set(js) == only_c
    assert set(js) - set(c) == {"error_function"}
    for name in set(c) & set(js) - helpers:
        assert parameters(c[name], r"\((.*?)\)\n\{") == parameters(js[name], r"\((.*?)\) \{"), name


def test_every_function_of_the_libraries_is_used():
    calls: set[str] = set()
    for row in rows():
        text = javascript_program(row.trained)
        calls |= set(re.findall(r"^function (\w+)", text, re.MULTILINE))
    assert set(library("js").sources) - calls == {
        "scale_bytes",
        "standardize",
        "scale_robustly",
    }  # of input stages that the rows do not have


def test_calls_are_equal_if_their_parts_are():
    assert Call("relu", 1) == Call("relu", 1) != Call("relu", 2)
