"""NumPy programs of language models write what ``Model.generate`` writes, of text and of tokens, and predict as before."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import (
    GRU,
    Attention,
    ConfigError,
    CrossEntropy,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Graph,
    MeanSquaredError,
    Node,
    Sequential,
    Softmax,
)
from pellucid.cli import application
from pellucid.data.text import BytePairTokenizer, CharacterTokenizer, Tokens
from pellucid.export.numpy_program.functions import generation as functions
from pellucid.export.numpy_program.language_models import writing_of
from pellucid.export.numpy_program.program import generate_program
from pellucid.export.verification import random_samples
from pellucid.model import generation
from pellucid.runs.presets import LANGUAGE_MODELS
from tests.model.test_generation import NETWORKS, TOKENS, WHOLE_WINDOWS, WINDOW, compiled_model, language_model

VOCABULARY = "\n abcdefg"
SETTINGS = (
    {"temperature": 0},
    {"seed": 3},
    {"temperature": 0.7, "top_k": 4, "seed": 1},
    {"temperature": 1.5, "top_p": 0.8, "seed": -5},
    {"top_k": 100, "top_p": 0.6},
)


def text_model(network=None, *, tokenizer=None, separator=None, window=8, **options):
    tokenizer = tokenizer or CharacterTokenizer(VOCABULARY)
    k = len(tokenizer)
    network = network or Sequential(Embedding(k, 6), GRU(12, return_sequences=True), Dense(k), Softmax())
    options = {"loss": CrossEntropy(), "input_stage": Tokens(tokenizer, separator), **options}
    model = network.compile(input_shape=(window,), **options)
    model.parameters[:] += np.sin(np.arange(model.parameters.size))
    return model


def program_of(model, folder, name="net"):
    """Export a model and return the global variables of its program."""
    model.export_numpy(folder / f"{name}.py")
    return runpy.run_path(str(folder / f"{name}.py"))


def assert_predicts_as(program, model):
    x = random_samples(model.network, model.input_stage, model.input_shape, 5)
    outputs = program["predict"](x)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, model.predict(x), atol=1e-5)


# -- what programs write ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NETWORKS, *WHOLE_WINDOWS])
def test_programs_draw_the_tokens_that_the_model_draws(name, tmp_path):
    model = compiled_model((NETWORKS | WHOLE_WINDOWS)[name])
    program = program_of(model, tmp_path)
    assert_predicts_as(program, model)
    for prompt in ([4, 0, 9], list(range(TOKENS)) * 2):
        if name == "window" and len(prompt) < WINDOW:
            with pytest.raises(ValueError, match="the prompt must have at least 8 tokens, got 3"):
                next(program["generate"](prompt, 5))
            continue
        for settings in SETTINGS:
            expected = list(model.generate(prompt, length=3 * WINDOW, **settings))
            assert list(program["generate"](prompt, 3 * WINDOW, **settings)) == expected


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
@pytest.mark.parametrize("separator", [None, 0])
def test_every_preset_writes_the_text_that_the_model_writes(name, separator, tmp_path):
    model = (
        LANGUAGE_MODELS[name]
        .network(len(VOCABULARY))
        .compile(input_shape=(8,), loss=CrossEntropy(), input_stage=Tokens(CharacterTokenizer(VOCABULARY), separator))
    )
    model.parameters[:] += 0.03 * np.sin(np.arange(model.parameters.size))
    program = program_of(model, tmp_path)
    assert_predicts_as(program, model)
    assert program["VOCABULARY"] == VOCABULARY
    for prompt in ("abc", "g e a d a b c e"):
        for settings in SETTINGS:
            expected = "".join(model.generate(prompt, length=20, **settings))
            assert "".join(program["generate"](prompt, 20, **settings)) == expected


def test_lines_begin_after_a_separator_and_end_before_one(tmp_path):
    flat = Sequential(Embedding(9, 6), Flatten(), Dense(9), Softmax())
    for i, model in enumerate((text_model(separator=0), text_model(flat, separator=0))):
        program, ended = program_of(model, tmp_path, f"net{i}"), 0
        for seed in range(10):
            text = "".join(program["generate"]("", 40, seed=seed))
            assert text == "".join(model.generate("", length=40, seed=seed))
            assert "\n" not in text
            ended += len(text) < 40
        assert ended


@pytest.mark.parametrize("window", [1, 2, 3])
def test_short_windows(window, tmp_path):
    model = text_model(window=window)
    program = program_of(model, tmp_path)
    assert "".join(program["generate"]("abc", 10, seed=2)) == "".join(model.generate("abc", length=10, seed=2))


def test_a_graph_writes(tmp_path):
    nodes = (
        Node("x", Embedding(9, 6), "input"),
        Node("logits", Sequential(Dropout(0.1), GRU(5, return_sequences=True), Dense(9)), "x"),
        Node("p", Sequential(Softmax()), "logits"),
    )
    model = text_model(Graph(*nodes))
    program = program_of(model, tmp_path)
    assert_predicts_as(program, model)
    assert "".join(program["generate"]("abc", 20)) == "".join(model.generate("abc", length=20))


def test_byte_pairs_are_numbers(tmp_path):
    pytest.importorskip("tokenizers")
    tokenizer = BytePairTokenizer.of("ä naïve Übung mit Wörtern, größer als früher. " * 20, tokens=270)
    model = text_model(tokenizer=tokenizer)
    program = program_of(model, tmp_path)
    prompt = tokenizer.encode("größer ").tolist()
    expected = list(model.generate(prompt, length=20, seed=1))
    assert list(program["generate"](prompt, 20, seed=1)) == expected
    printed = run(tmp_path, "--prompt", *prompt, "--length", 20, "--seed", 1)
    assert printed == " ".join(map(str, [*prompt, *expected])) + "\n"
    assert run(tmp_path, "--prompt", 270, code=1) == "270 is not a token: they are 0 ... 269\n"
    assert run(tmp_path, code=1) == "the following arguments are required: --prompt\n"
    lines = text_model(tokenizer=tokenizer, separator=10)
    program_of(lines, tmp_path)
    expected = list(lines.generate([10], length=5, seed=2))
    assert run(tmp_path, "--length", 5, "--seed", 2) == " ".join(map(str, [10, *expected])) + "\n"


# -- drawing ----------------------------------------------------------------------------------------------------------


def test_tokens_are_drawn_as_in_the_library():
    random = np.random.default_rng(0)
    for case in range(400):
        z = random.standard_normal(random.integers(2, 40)).astype(np.float32) * random.choice([0.1, 3, 60])
        z = np.round(z, random.integers(0, 8))  # some are equal
        temperature = random.choice([0.0, 0.2, 1.0, 30.0])
        top_k = None if case % 3 else int(random.integers(1, 50))
        top_p = None if case % 2 else float(random.choice([1e-9, 0.5, 0.95, 1.0]))
        number = random.choice([0.0, random.random(), np.nextafter(1.0, 0)])
        (expected,) = generation.Sampling(temperature, top_k, top_p).draw(z[None], np.array([number]))
        assert functions.draw(z, number, temperature, top_k, top_p) == expected
    for seed in (0, 1, -3, 2**70):
        key = generation.rng.stream_key(seed, "generate")
        for position in (0, 1, 77, 10**9):
            assert functions.chance(seed, position) == generation.chance(key, position)


def test_logits_that_are_not_finite_are_an_error():
    for bad in (np.nan, np.inf):
        for temperature in (0, 1):
            with pytest.raises(ValueError, match="not finite"):
                functions.draw(np.array([0.0, bad], np.float32), 0.5, temperature, None, None)
    assert functions.draw(np.array([0.0, -np.inf], np.float32), 0.5, 1.0, None, None) == 0


# -- the command ------------------------------------------------------------------------------------------------------


def run(folder, *arguments, code=0):
    """Run net.py and return what it prints; in case of an error, what it prints about that."""
    command = [sys.executable, "-X", "utf8", str(folder / "net.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == code, done.stderr
    assert code == 0 or not done.stdout
    return done.stderr if code else done.stdout


def test_the_command_prints_what_pellucid_generate_prints(tmp_path):
    model = text_model()
    model.save(tmp_path / "net.pellucid")
    model.export_numpy(tmp_path / "net.py")
    options = ["--length", 40, "--temperature", 0.8, "--top-k", 5, "--top-p", 0.9, "--seed", 3]
    for given in (["--prompt", "abc", *options], ["--length", 20]):
        printed = CliRunner().invoke(application(["generate"]), ["generate", str(tmp_path / "net.pellucid"), *map(str, given)])
        assert run(tmp_path, *given) == printed.stdout
    lines = text_model(separator=0)
    lines.export_numpy(tmp_path / "net.py")
    assert run(tmp_path, "--seed", 4) == "".join(lines.generate("", length=500, seed=4)) + "\n"


def test_wrong_arguments_are_errors_of_one_line(tmp_path):
    text_model().export_numpy(tmp_path / "net.py")
    cases = {
        ("--prompt", "ax☂"): "'x' at position 1 is not in the vocabulary",
        ("--prompt", ""): "the prompt is empty",
        ("--length", "0"): "length must be at least 1, got 0",
        ("--length", "many"): "argument --length: invalid int value: 'many'",
        ("--temperature", "-1"): "temperature must be finite, 0 or above, got -1.0",
        ("--temperature", "nan"): "temperature must be finite, 0 or above, got nan",
        ("--temperature", "inf"): "temperature must be finite, 0 or above, got inf",
        ("--top-k", "0"): "top_k must be at least 1, got 0",
        ("--top-p", "1.5"): "top_p must be above 0 and at most 1, got 1.5",
        ("--seed",): "argument --seed: expected one argument",
        ("samples.npy",): "unrecognized arguments: samples.npy",
    }
    for arguments, message in cases.items():
        assert run(tmp_path, *arguments, code=1) == f"{message}\n"
    text_model(tokenizer=CharacterTokenizer("ab")).export_numpy(tmp_path / "net.py")
    assert run(tmp_path, code=1) == "the following arguments are required: --prompt\n"
    assert run(tmp_path, "--prompt", "ab", "--length", 1).startswith("ab")


# -- the source text --------------------------------------------------------------------------------------------------


def test_the_examples_in_the_docstring_work(tmp_path, monkeypatch):
    flat = Sequential(Embedding(9, 6), Flatten(), Dense(9), Softmax())
    models = [
        text_model(),
        text_model(separator=0),
        text_model(flat),
        text_model(flat, input_stage=None),
        compiled_model(NETWORKS["gru"]),
    ]
    monkeypatch.syspath_prepend(tmp_path)
    for i, model in enumerate(models):
        model.export_numpy(tmp_path / f"example{i}.py")
        text = ast.get_docstring(ast.parse((tmp_path / f"example{i}.py").read_text(encoding="utf-8")))
        examples = [line.strip() for line in text.splitlines() if line.startswith("    ")]
        python = [line for line in examples if not line.startswith("python ")]
        names = {}
        exec("\n".join(python), names)
        assert names["outputs"].shape == (5, *model.output_shape)
        (written,) = (line for line in python if ".generate(" in line)
        assert eval(written, names)
        if model.input_stage is not None:
            (command,) = (line for line in examples if line.startswith("python "))
            done = subprocess.run(
                [sys.executable, *command.replace('"', "").split()[1:]], cwd=tmp_path, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr


def test_programs_are_formatted_and_run_on_python_3_9(tmp_path):
    vocabularies = ["ab", "\n" + "".join(map(chr, range(33, 127))), "".join(map(chr, range(0x4E00, 0x4E00 + 300)))]
    vocabularies += ["".join(map(chr, range(0xC0, 0xC0 + n))) for n in range(64, 90)]
    vocabularies += ["".join(map(chr, range(0x3041, 0x3041 + n))) for n in range(30, 46)]
    vocabularies += ["\"'\\\u202e\x00\r\n☂\ud83d{x}\u2028" + "".join(map(chr, range(0x1F600, 0x1F640)))]
    models = {f"v{i}": text_model(tokenizer=CharacterTokenizer(one)) for i, one in enumerate(vocabularies)}
    models |= {name.replace("-", "_"): text_model(recipe.network(9)) for name, recipe in LANGUAGE_MODELS.items()}
    models |= {name.replace(" ", "_"): compiled_model(network) for name, network in (NETWORKS | WHOLE_WINDOWS).items()}
    models["lines"] = text_model(WHOLE_WINDOWS["window"], tokenizer=CharacterTokenizer("\n abcdefghi"), separator=0)
    for name, model in models.items():
        text, _ = generate_program(model._trained_network(), name)
        ast.parse(text, feature_version=(3, 9))
        assert all(letter.isprintable() or letter == "\n" for letter in text)
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        if name.startswith("v"):
            (value,) = re.findall(r"^VOCABULARY = (\"[^\n]*|'[^\n]*|\(\n.*?\n\))$", text, re.MULTILINE | re.DOTALL)
            assert ast.literal_eval(value) == model.tokenizer.vocabulary
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "."], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


def test_a_program_reads_from_top_to_bottom():
    text, _ = generate_program(text_model(separator=0)._trained_network(), "net")
    assert re.findall(r"^def (\w+)", text, re.MULTILINE)[-10:] == [
        *("encode", "check_tokens", "check_settings", "chance", "draw", "predict", "logits", "network", "generate", "main"),
    ]
    assert "SEPARATOR = 0" in text
    assert "    # dense1: Dense(units=9) -> (n, 8, 9)\n" in text
    assert "    # softmax1: Softmax() -> (n, 8, 9)\n    return softmax(logits(x, p))\n" in text


def test_functions_of_users_cannot_have_the_names_of_the_program():
    def generate(x):
        return x

    class_of_layer = Dropout
    with pytest.raises(ConfigError, match="already has a function named generate"):
        generate_program(text_model()._trained_network(), "net", {class_of_layer: generate})


# -- other networks ---------------------------------------------------------------------------------------------------


def test_networks_that_classify_keep_their_command():
    stage = Tokens(CharacterTokenizer(VOCABULARY))
    answers = Sequential(Embedding(9, 6), GRU(5), Dense(2), Softmax())
    labels = Sequential(Embedding(9, 6), GRU(5, return_sequences=True), Dense(9), Softmax())
    models = [
        text_model(answers),  # a text classifier
        text_model(labels, classes=tuple("abcdefghi")),  # a class for each token
        answers.compile((8,), CrossEntropy()),
        Sequential(Embedding(9, 6), Attention(2, causal=True), Dense(9)).compile((8,), MeanSquaredError(), input_stage=stage),
        Sequential(Dense(9), Softmax()).compile((8,), CrossEntropy()),
        Sequential().compile((8,), MeanSquaredError()),
    ]
    for model in models:
        text, _ = generate_program(model._trained_network(), "net")
        assert "generate" not in text
        assert "python net.py samples.npy" in text


@pytest.mark.parametrize("name", [*NETWORKS, *WHOLE_WINDOWS])
def test_networks_that_generate_are_language_models_for_the_export(name):
    model = compiled_model((NETWORKS | WHOLE_WINDOWS)[name])
    generation.check_language_model(model.state)
    assert writing_of(model._trained_network()) is not None


def test_a_model_of_tokens_has_both_a_command_for_samples_and_generate(tmp_path):
    model = compiled_model(language_model(GRU(7)))
    model.export_numpy(tmp_path / "net.py")
    x = np.arange(2 * WINDOW).reshape(2, WINDOW) % TOKENS
    np.save(tmp_path / "x.npy", x)
    printed = run(tmp_path, tmp_path / "x.npy")
    np.testing.assert_allclose([list(map(float, line.split())) for line in printed.splitlines()], model.predict(x), atol=1e-5)
    assert list(runpy.run_path(str(tmp_path / "net.py"))["generate"]([1], 4)) == list(model.generate([1], length=4))


def test_the_export_command_verifies_the_program(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text_model().save("net.pellucid")
    done = CliRunner().invoke(application(["export"]), ["export", "net.pellucid", "--numpy", "net.py"])
    assert done.exit_code == 0, done.output
    (away,) = re.findall(r"8 random samples: (\S+)$", done.output, re.MULTILINE)
    assert float(away) <= 1e-5
    assert run(tmp_path, "--length", 3)
