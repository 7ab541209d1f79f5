"""``pellucid generate``: what it prints of one text and of several, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import GRU, CrossEntropy, Dense, Embedding, Flatten, Sequential, Softmax
from pellucid.cli import application
from pellucid.data.text import CharacterTokenizer, Tokens

VOCABULARY = "\n abcdefgh"


def cli(*arguments, code=0, stdin=None):
    result = CliRunner().invoke(
        application(["generate"]), ["generate", *map(str, arguments)], prog_name="pellucid", input=stdin
    )
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.stdout if code == 0 else result.stderr


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The files of a model of running text and of one of lines, by name, and the models."""
    folder, found = tmp_path_factory.mktemp("models"), {}
    for name, separator, vocabulary in (("text", None, VOCABULARY), ("lines", 0, VOCABULARY), ("words", None, "ab")):
        network = Sequential(Embedding(10, 6), GRU(12, return_sequences=True), Dense(len(vocabulary)), Softmax())
        model = network.compile(
            input_shape=(8,), loss=CrossEntropy(), input_stage=Tokens(CharacterTokenizer(vocabulary), separator)
        )
        model.parameters[:] += np.sin(np.arange(model.parameters.size))
        model.save(folder / f"{name}.pellucid")
        found[name] = folder / f"{name}.pellucid", model
    return found


def test_a_text_after_its_prompt(models):
    file, model = models["text"]
    expected = "".join(model.generate("abc", length=40, temperature=0.8, top_k=5, top_p=0.9, seed=3))
    options = "--length", 40, "--temperature", 0.8, "--top-k", 5, "--top-p", 0.9, "--seed", 3
    assert cli(file, "--prompt", "abc", *options) == f"abc{expected}\n"
    assert cli(file, "--prompt", "-", *options, stdin="abc") == f"abc{expected}\n"
    assert json.loads(cli(file, "--prompt", "abc", *options, "--json")) == [{"prompt": "abc", "text": expected}]


def test_without_a_prompt_a_text_begins_after_a_new_line(models):
    file, model = models["text"]
    assert cli(file, "--length", 20) == "\n" + "".join(model.generate("\n", length=20)) + "\n"
    assert "give one, --prompt TEXT" in cli(models["words"][0], code=2)


def test_several_texts(models):
    file, model = models["text"]
    texts = [prompt + "".join(model.generate(prompt, length=30, seed=seed)) for prompt in ("ab", "h") for seed in (5, 6)]
    printed = cli(file, "--prompt", "ab", "--prompt", "h", "--length", 30, "--seed", 5, "--count", 2)
    assert printed == "\n---\n".join(texts) + "\n"


def test_each_text_of_a_model_of_lines_is_a_line(models):
    file, model = models["lines"]
    texts = ["".join(model.generate("", length=30, seed=seed)) for seed in range(4)]
    assert cli(file, "--length", 30, "--count", 4).splitlines() == texts
    assert cli(file, "--length", 30) == texts[0] + "\n"


def test_a_stop_ends_the_text(models):
    file, model = models["text"]
    free = "".join(model.generate("abc", length=60))
    assert cli(file, "--prompt", "abc", "--length", 60, "--stop", free[20:23]) == f"abc{free[: free.index(free[20:23])]}\n"


def test_errors(models, tmp_path):
    file, _ = models["text"]
    assert "'x' at position 0 of the text is not in the vocabulary" in cli(file, "--prompt", "x", code=2)
    assert "top_p" in cli(file, "--prompt", "a", "--top-p", 1.5, code=2)
    assert "--count 0: expected the number" in cli(file, "--count", 0, code=2)
    other = Sequential(Flatten(), Dense(3), Softmax()).compile(input_shape=(4,), loss=CrossEntropy())
    other.save(tmp_path / "other.pellucid")
    assert "has no tokenizer: it was not trained on text" in cli(tmp_path / "other.pellucid", "--prompt", "a", code=2)


def test_an_interruption_keeps_what_was_written(models):
    file, model = models["text"]
    command = [sys.executable, "-c", "from pellucid.cli import main; main()", "generate", str(file), "--prompt", "abc"]
    with subprocess.Popen(
        [*command, "--length", "1000000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        begun = process.stdout.read(50)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert process.returncode == 130, errors
    assert errors == "interrupted\n"
    text = begun + rest
    assert text.endswith("\n")
    assert text[:-1] == "abc" + "".join(model.generate("abc", length=max(1, len(text) - 4)))
