"""Language models as runs: the networks of the ladder, epochs of steps, samples, resuming, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from pellucid import CrossEntropy, DataError, Model
from pellucid.data import Dataset, load
from pellucid.data.sources import user_data
from pellucid.data.sources.user_data import ReadOptions
from pellucid.data.text import CharacterTokenizer, line_samples, windows
from pellucid.errors import ConfigError
from pellucid.runs import run as run_module
from pellucid.runs.folder import RunFolder
from pellucid.runs.language_models import (
    GPT,
    NeuralProbabilisticLanguageModel,
    RecurrentLanguageModel,
    SmallTransformer,
    bigram,
)
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.presets import LANGUAGE_MODELS, PRESETS
from pellucid.runs.resuming import resume
from pellucid.runs.run import run, silent
from pellucid.runs.samples import COUNT, TextSamples, write_sample
from pellucid.runs.task import Task

TEXT = "".join(f"{'abcde'[i % 5]}{'xyz'[i // 5 % 3]} {'uv' * (i % 3)}\n" for i in range(700))
NETWORKS = {
    bigram: lambda k: k * k,
    NeuralProbabilisticLanguageModel(3, 4, 5): lambda k: k * 4 + 3 * 4 * 5 + 5 + 5 * k + k,
    RecurrentLanguageModel(4, 6): lambda k: k * 4 + (4 + 6 + 1) * 18 + 6 + 6 * k + k,
    SmallTransformer(2, 2, 8): lambda k: (
        k * 8 + 16 * 8 + 2 * (4 * 8 + 4 * 8 * 8 + 4 * 8 + 8 * 8 * 8 + 5 * 8) + 2 * 8 + 8 * k + k
    ),
    GPT(2, 2, 8, 0.1, rotary=True, tied=False): lambda k: k * 8 + 2 * (2 * 8 + 4 * 8 * 8 + 8 * 8 * 8) + 8 + 9 * k,
}
VARIANTS = NETWORKS | {
    GPT(2, 2, 8): lambda k: k * 8 + 16 * 8 + 2 * (2 * 8 + 4 * 8 * 8 + 8 * 8 * 8) + 8,
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder with a text; presets are small, figures are not drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pellucid.runs.run._save_figures", lambda *arguments: None)
    (tmp_path / "my.txt").write_text(TEXT)
    for name, network in zip(LANGUAGE_MODELS, NETWORKS, strict=True):
        recipe = PRESETS[name]
        fit = dataclasses.replace(recipe.fit, epochs=3, batch_size=4, steps_per_epoch=10)
        monkeypatch.setitem(PRESETS, name, dataclasses.replace(recipe, network=network, fit=fit, context=16))
    return tmp_path


@pytest.mark.parametrize("network", VARIANTS, ids=lambda one: getattr(one, "__name__", repr(one)))
def test_networks_predict_each_next_token_from_those_before(network):
    model = network(7).compile((16,), CrossEntropy())
    assert model.parameter_count == VARIANTS[network](7)
    x = np.random.default_rng(0).integers(0, 7, (2, 16))
    before = model.predict(x, logits=True)
    assert before.shape == (2, 16, 7)
    x[:, 9] = (x[:, 9] + 1) % 7
    after = model.predict(x, logits=True)
    assert (after[:, :9] == before[:, :9]).all(), "no position reads a later one"
    assert (after[:, 9] != before[:, 9]).any()


def test_the_network_of_nanogpts_example():
    assert GPT()(65).compile((64,), CrossEntropy()).parameter_count == 804_096


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_presets_of_language_models_learn(small, name):
    splits = load("my.txt", reading=ReadOptions(context=16))
    recipe = PRESETS[name]
    task = Task.of(recipe, splits.train, name)
    model = task.network.compile((16,), task.loss, recipe.optimizer, task.metrics)
    model.fit(splits.train, epochs=1, batch_size=8, steps_per_epoch=150)
    assert model.evaluate(splits.validation)["loss"] < np.log(len(model.tokenizer)) - 0.3


def test_a_run_on_windows(small, capsys):
    metrics = run(RunPlan.of(RunSettings(data="my.txt", model="gpt-mini")), small / "run", notify=print, progress=True)
    printed = capsys.readouterr()
    assert "windows of 16 tokens" in printed.out
    assert "3 epochs of 10 steps, batches of 4" in printed.out
    assert "after epoch 1 it writes:" in printed.err
    assert metrics["epochs"] == 3
    assert metrics["settings"]["steps_per_epoch"] == 10
    assert metrics["test"]["bits_per_character"] == pytest.approx(metrics["test"]["loss"] / np.log(2), rel=1e-5)
    history = (small / "run" / "history.csv").read_text().splitlines()
    assert "validation_bits_per_character" in history[0]
    samples = json.loads((small / "run" / "samples.json").read_text())
    assert [(one["epoch"], one["step"]) for one in samples] == [(1, 10), (2, 20), (3, 30)]
    model = Model.load(small / "run" / "model.pellucid")
    assert samples[-1]["text"] == write_sample(model)["text"]
    assert model.tokenizer == CharacterTokenizer.of(TEXT)


def test_a_run_on_lines(small):
    settings = RunSettings(data="my.txt", model="gru-lm", reading=ReadOptions(lines=True))
    metrics = run(RunPlan.of(settings), small / "run", notify=silent, progress=False)
    assert metrics["data"]["sizes"] == {"train": 560, "validation": 70, "test": 70}
    assert metrics["epochs"] == 1, "thirty steps are less than a pass over the lines"
    samples = json.loads((small / "run" / "samples.json").read_text())
    assert len(samples[-1]["lines"]) == 10
    assert run(RunPlan.of(dataclasses.replace(settings, epochs=2)), None, notify=silent, progress=False)["epochs"] == 2


def test_a_resumed_run_ends_with_the_same_bytes(small, monkeypatch):
    plan = RunPlan.of(RunSettings(data="my.txt", model="gru-lm", epochs=4))
    run(plan, small / "whole", notify=silent, progress=False)
    model = (small / "whole" / "model.pellucid").read_bytes()

    def stop(event, control, history):
        return getattr(event, "step", 0) != 23

    run(plan, small / "part", notify=silent, progress=False, observer=stop)
    assert json.loads((small / "part" / "samples.json").read_text())[-1]["epoch"] == 2
    resume(small / "part", notify=silent, progress=False)
    assert (small / "part" / "model.pellucid").read_bytes() == model
    assert (small / "part" / "samples.json").read_text() == (small / "whole" / "samples.json").read_text()


def test_a_run_is_not_resumed_on_another_text(small):
    plan = RunPlan.of(RunSettings(data="my.txt", model="bigram"))
    run(plan, small / "part", notify=silent, progress=False, observer=lambda event, control, history: False)
    (small / "my.txt").write_text(TEXT[:-5] + "abcd\n")
    with pytest.raises(DataError, match="was trained on other data"):
        resume(small / "part", notify=silent, progress=False)


def test_a_part_of_the_windows_is_passed_over(small):
    settings = RunSettings(data="my.txt", model="bigram", limit=40)
    metrics = run(RunPlan.of(settings), small / "run", notify=silent, progress=False)
    assert metrics["epochs"] == 3
    assert metrics["settings"]["steps_per_epoch"] is None


def test_another_context_and_other_steps(small):
    plan = RunPlan.of(RunSettings(data="my.txt", model="bigram", steps_per_epoch=5, epochs=2, reading=ReadOptions(context=8)))
    metrics = run(plan, small / "run", notify=silent, progress=False)
    assert json.loads((small / "run" / "config.json").read_text())["input_shape"] == [8]
    assert metrics["epochs"] == 2
    assert plan.settings.reading.context == 8
    assert RunPlan.of(RunSettings(data="my.txt", model="bigram")).settings.reading.context == 16


def test_settings_that_are_refused(small):
    (small / "table.csv").write_text("a,b\n1,2\n")
    for settings, message in (
        (
            RunSettings(data="table.csv", model="mlp", steps_per_epoch=3),
            "--steps-per-epoch is for a text that is read in windows",
        ),
        (RunSettings(data="my.txt", model="gpt", steps_per_epoch=3, limit=5), "without --limit"),
        (RunSettings(data="my.txt", model="gpt", steps_per_epoch=0), "--steps-per-epoch must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            RunPlan.of(settings)


def test_networks_that_are_no_language_models_are_refused():
    text, lines = windows(TEXT, 16), line_samples(["ab", "c"])
    with pytest.raises(
        ConfigError, match=r"--model mlp has outputs of the shape \(9,\).* use a language model: --model bigram"
    ):
        Task.of(PRESETS["mlp"], windows("abcdefgh\n" * 9, 16), "mlp")
    with pytest.raises(ConfigError, match=r"--model cnn does not take lines, a text"):
        Task.of(PRESETS["cnn"], line_samples(["ab", "c"], name="lines"), "cnn")
    images = Dataset(np.zeros((4, 5, 5, 1), np.uint8), np.arange(4), classes="abcd", name="pictures")
    with pytest.raises(ConfigError, match="--model gpt predicts the next token of a text, and pictures is no text"):
        Task.of(PRESETS["gpt"], images, "gpt")
    assert Task.of(PRESETS["bigram"], text, "bigram").final_metrics == Task.of(PRESETS["bigram"], lines, "x").final_metrics


def test_samples_are_taken_ten_times():
    samples = TextSamples.__new__(TextSamples)
    for epochs, expected in ((3, [1, 2, 3]), (40, list(range(4, 41, 4))), (25, None), (1, [1])):
        samples._epochs = epochs
        due = [epoch for epoch in range(1, epochs + 1) if samples._is_due(epoch)]
        assert due[-1] == epochs
        assert len(due) == min(COUNT, epochs)
        assert expected in (None, due)


def test_samples_that_cannot_be_taken(small):
    """A network of one's own that is no language model, and a folder that cannot be written, end no training."""
    data = windows(TEXT, 16)
    model = bigram(len(data.origin.tokens.tokenizer)).compile((16,), CrossEntropy())
    folder = RunFolder(small / "run", "x", force=False)
    samples = TextSamples(model, folder, 1, resumed=True)
    from pellucid.training import EpochEvent

    def events():
        yield EpochEvent(1, 0.0, 0.0, {}, None)

    assert len(list(samples.followed(events()))) == 1
    assert samples.new_lines() == [], "the model is not trained, and so has no tokenizer"
    model.fit(data, steps_per_epoch=1)
    shutil.rmtree(small / "run")
    assert len(list(samples.followed(events()))) == 1
    assert samples.new_lines()[0] == "after epoch 1 it writes:"
    assert samples.new_lines() == []


def test_samples_of_epochs_that_are_done_again_are_replaced(small):
    data = windows(TEXT, 16)
    model = bigram(len(data.origin.tokens.tokenizer)).compile((16,), CrossEntropy())
    model.fit(data, steps_per_epoch=1)
    folder = RunFolder(small / "run", "x", force=False)
    folder.write_samples([{"epoch": epoch, "step": epoch, "text": "old"} for epoch in (1, 2, 3)])
    samples = TextSamples(model, folder, 3, resumed=True)
    samples._take(2)
    written = json.loads((small / "run" / "samples.json").read_text())
    assert [one["epoch"] for one in written] == [1, 2]
    assert written[1]["text"] != "old"


def test_config_says_how_the_text_was_read(small):
    run(RunPlan.of(RunSettings(data="my.txt", model="bigram")), small / "run", notify=silent, progress=False)
    config = json.loads((small / "run" / "config.json").read_text())
    assert config["data"]["reading"]["context"] == 16
    assert config["fit"]["steps_per_epoch"] == 10
    assert config["input_stage"]["tokenizer"]["vocabulary"] == CharacterTokenizer.of(TEXT).vocabulary
    assert run_module is not None


def test_a_plan_looks_at_the_data_once(small, monkeypatch):
    asked = []
    monkeypatch.setattr(user_data, "kind_of", lambda *arguments: asked.append(arguments) or "text")
    plan = RunPlan.of(RunSettings(data="my.txt", model="bigram", steps_per_epoch=5))
    assert plan.settings.reading.context == 16
    assert len(asked) == 1


def test_a_run_on_the_tokens_of_another_is_resumed(small):
    run(RunPlan.of(RunSettings(data="my.txt", model="bigram", epochs=1)), small / "first", notify=silent, progress=False)
    (small / "other.txt").write_text(TEXT.replace("c", "b"))
    settings = RunSettings(data="other.txt", model="bigram", from_run=str(small / "first"), epochs=2)
    run(RunPlan.of(settings), small / "whole", notify=silent, progress=False)
    run(RunPlan.of(settings), small / "run", notify=silent, progress=False, observer=lambda event, control, history: False)
    assert resume(small / "run", notify=silent, progress=False)["epochs"] == 2
    one, other = (Model.load(small / name / "model.pellucid") for name in ("whole", "run"))
    config = json.loads((small / "run" / "config.json").read_text())
    assert config["data"]["sha256"] == load("other.txt", tokenizer=one.tokenizer, context=16).sha256
    assert one.tokenizer == other.tokenizer == Model.load(small / "first" / "model.pellucid").tokenizer
    np.testing.assert_array_equal(one.parameters, other.parameters)
