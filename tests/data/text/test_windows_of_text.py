"""Windows of a text: their places, the split, the draw, and lines as samples."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import Adam, Checkpoint, CrossEntropy, Embedding, Model, Sequential, Softmax
from pellucid.data import Dataset
from pellucid.data.text import CharacterTokenizer, Tokens, line_samples, split_lines, split_windows, windows
from pellucid.data.text.running_text import DrawnWindows
from pellucid.errors import ConfigError, DataError

TEXT = "".join("abcdefgh"[i * i * 7 % 31 % 8] for i in range(1000))
LINES = [f"{'abc'[i % 3]}{'xyz'[i // 3 % 3] * (i % 4)}" for i in range(200)]


def bigrams(data, context, seed=0):
    k = len(data.origin.tokens.tokenizer)
    return Sequential(Embedding(k, k), Softmax()).compile((context,), CrossEntropy(), Adam(0.05), seed=seed)


@pytest.mark.parametrize("length", [9, 10, 16, 17, 18, 100])
def test_each_token_but_the_first_is_a_target_once(length):
    tokens = np.arange(length, dtype=np.int64)
    data = windows(tokens, 8)
    weights = np.ones(data.y.shape) if data.sample_weight is None else data.sample_weight
    assert sorted(data.y[weights == 1].tolist()) == list(range(1, length))
    assert set(np.unique(weights)) <= {0, 1}
    assert (data.y == data.x + 1).all()
    assert data.x[:, 0].tolist()[:-1] == list(range(0, length - 1, 8))[: len(data) - 1]
    assert (data.sample_weight is None) == ((length - 1) % 8 == 0)


def test_a_text_that_is_too_short():
    with pytest.raises(DataError, match="8 tokens, and a window of 8 needs 9"):
        windows("abcdefgh", 8)
    assert len(windows("abcdefghi", 8)) == 1


@pytest.mark.parametrize("context", [0, -1, 2.5, "8", True])
def test_contexts_that_are_refused(context):
    with pytest.raises(ConfigError, match="context"):
        windows(TEXT, context)


@pytest.mark.parametrize("tokens", [np.ones(20), np.ones((4, 5), int)])
def test_what_is_no_text(tokens):
    with pytest.raises(DataError, match="a row of tokens"):
        windows(tokens, 4)


def test_the_split_is_by_place():
    splits = split_windows(TEXT, 10)
    assert [len(part.passage) for part in (splits.train, splits.test, splits.validation)] == [850, 50, 100]
    decode = splits.train.origin.tokens.tokenizer.decode
    assert decode(splits.train.passage) + decode(splits.test.passage) + decode(splits.validation.passage) == TEXT
    assert "the last 100 for validation" in splits.notes[1]
    assert splits.train.input_stage().tokenizer == CharacterTokenizer.of(TEXT)
    assert splits.sha256 != split_windows(TEXT[:-1] + "x", 10).sha256


def test_splits_that_are_refused():
    with pytest.raises(DataError, match="its test part has 50 tokens, which is too short for a context of 60"):
        split_windows(TEXT, 60)
    with pytest.raises(ConfigError, match="validation=0"):
        split_windows(TEXT, 8, validation=0)
    with pytest.raises(ConfigError, match="leave no text"):
        split_windows(TEXT, 8, validation=0.5, test=0.5)
    with pytest.raises(DataError, match="empty"):
        split_windows("", 8)


def test_the_message_names_a_length_that_is_enough():
    with pytest.raises(DataError) as caught:
        split_windows("ab" * 100, 64)
    least = int(str(caught.value).split("at least about ")[1].split(" ")[0].replace(",", ""))
    assert split_windows("ab" * (least // 2 + 1), 64).sizes["test"] in (1, 2)


def test_drawn_windows_are_at_random_places_that_repeat():
    tokens = np.arange(50, dtype=np.int32)
    drawn = DrawnWindows(tokens, 8, batch_size=4, steps=100, seed=3)
    batches = [(x.copy(), y.copy()) for x, y, _ in drawn.epoch(0)]
    assert len(drawn) == len(batches) == 100
    first = np.concatenate([x[:, 0] for x, _ in batches])
    assert set(first.tolist()) == set(range(42)), "every place is drawn, the first and the last one too"
    assert all((x[:, 1:] == x[:, :-1] + 1).all() and (y == x + 1).all() for x, y in batches)
    again = [x.copy() for x, _, _ in drawn.epoch(0, start=40)]
    assert len(again) == 60
    assert all((x == y).all() for x, (y, _) in zip(again, batches[40:], strict=True)), "a resumed epoch goes on with the same"
    assert (next(drawn.epoch(1))[0] != batches[0][0]).any()
    other = DrawnWindows(tokens, 8, batch_size=4, steps=100, seed=4)
    assert (next(other.epoch(0))[0] != batches[0][0]).any()


def test_a_part_of_the_batch_is_gathered():
    tokens = np.arange(50, dtype=np.int32)
    whole = next(DrawnWindows(tokens, 8, batch_size=4, steps=1, seed=0).epoch(0))
    part = next(DrawnWindows(tokens, 8, batch_size=4, steps=1, seed=0, own_rows=lambda n: slice(1, 3)).epoch(0))
    assert (part[0][1:3] == whole[0][1:3]).all()
    assert not part[0][3].any()
    assert (part[1] == whole[1]).all()


def test_training_draws_windows(monkeypatch):
    splits = split_windows(TEXT, 8)
    model = bigrams(splits.train, 8)
    history = model.fit(splits.train, validation=splits.validation, epochs=2, batch_size=5, steps_per_epoch=30)
    assert model.state.steps == 60
    assert history.rows[-1]["validation_loss"] < history.rows[0]["train_loss"]
    model = bigrams(splits.train, 8)
    model.fit(splits.train, batch_size=5)
    assert model.state.steps == -(-len(splits.train) // 5) == 22
    assert model.tokenizer == CharacterTokenizer.of(TEXT)


def test_a_part_of_the_windows_is_trained_as_it_is():
    data = windows(TEXT, 8)
    assert data.passage is not None
    assert data.limit(20).passage is None
    with pytest.raises(ConfigError, match="for windows of a text"):
        bigrams(data, 8).fit(data.limit(20), steps_per_epoch=3)


@pytest.mark.parametrize("options", [{"class_weight": "balanced"}, {"augmentation": lambda x, random: x}])
def test_options_that_do_not_apply_to_a_text(options):
    data = windows(TEXT, 8)
    with pytest.raises(ConfigError, match="does not apply to the windows of a text"):
        bigrams(data, 8).fit(data, **options)


def test_without_shuffling_the_windows_are_in_their_order():
    data = windows(TEXT[:81], 8)
    model, other = bigrams(data, 8), bigrams(data, 8)
    model.fit(data, shuffle=False, batch_size=4)
    other.fit(Dataset(data.x, data.y), shuffle=False, batch_size=4)
    assert (model.parameters == other.parameters).all()
    with pytest.raises(ConfigError, match="shuffle=False"):
        model.fit(data, shuffle=False, steps_per_epoch=3)


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path):
    data = windows(TEXT, 8)
    whole = bigrams(data, 8)
    options = {"epochs": 3, "batch_size": 5, "steps_per_epoch": 20}
    whole.fit(data, **options)

    class Interrupted(Exception):
        pass

    part = bigrams(data, 8)
    policies = [Checkpoint(tmp_path, every_steps=13)]
    from pellucid.training.options import FitOptions

    for event in part.fit_events(data, options=FitOptions(**options, policies=policies)):
        if getattr(event, "step", 0) == 33:
            break
    resumed = bigrams(data, 8)
    resumed.fit(data, **options, policies=policies, resume=tmp_path)
    assert resumed.state.steps == 60
    assert (resumed.parameters == whole.parameters).all()


def test_resuming_on_another_text_is_refused(tmp_path):
    data, other = windows(TEXT, 8), windows(TEXT[:-1] + "a", 8)
    assert (data.x[:-1] == other.x[:-1]).all()
    policies = [Checkpoint(tmp_path)]
    bigrams(data, 8).fit(data, policies=policies)
    with pytest.raises(DataError, match="other training data"):
        bigrams(data, 8).fit(other, epochs=1, policies=policies, resume=tmp_path)


def test_the_learning_rate_finder_draws_windows():
    data = windows(TEXT, 8)
    assert bigrams(data, 8).find_learning_rate(data, steps=30, low=1e-3, high=1.0).suggestion > 0


def test_lines_are_samples_between_separators():
    data = line_samples(["ab", "", "bca"])
    assert data.origin.tokens.tokenizer.vocabulary == "\nabc"
    assert data.origin.tokens.separator == 0
    assert data.x.tolist() == [[0, 1, 2, 0], [0, 0, 0, 0], [0, 2, 3, 1]]
    assert data.y.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [2, 3, 1, 0]]
    assert data.sample_weight.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]


def test_a_separator_comes_before_each_text_that_a_model_of_lines_reads():
    tokenizer = CharacterTokenizer("ab\n")
    assert Tokens(tokenizer).encode("ba").tolist() == [1, 0]
    lines = Tokens(tokenizer, separator=2)
    assert lines.encode("ba").tolist() == [2, 1, 0]
    assert lines.encode("").tolist() == [2]
    assert lines.encode("ba").dtype == np.int32
    assert [stage.filler for stage in (Tokens(tokenizer), lines, Tokens(tokenizer, padding=3))] == [0, 2, 3]


def test_lines_that_do_not_fit():
    stage = line_samples(["ab"]).origin.tokens
    with pytest.raises(DataError, match=r"line 2, 'aba', has 3 tokens: with the separator, samples have 3"):
        line_samples(["a", "aba"], stage=stage, context=3)
    with pytest.raises(DataError, match="no lines"):
        line_samples([])
    with pytest.raises(DataError, match="not in the vocabulary"):
        line_samples(["x"], stage=stage)
    with pytest.raises(DataError, match="not on lines"):
        line_samples(["x"], stage=windows(TEXT, 8).origin.tokens)


def test_the_split_of_lines():
    splits = split_lines(LINES)
    assert splits.sizes == {"train": 160, "validation": 20, "test": 20}
    other = split_lines(LINES, split_seed=1)
    assert (splits.test.x == other.test.x).all(), "the test set is the same for every seed"
    assert (splits.validation.x != other.validation.x).any()
    tokenizer = splits.train.origin.tokens.tokenizer
    found = [
        tokenizer.decode(row[weight > 0]).removesuffix("\n")
        for part in (splits.train, splits.validation, splits.test)
        for row, weight in zip(part.y, part.sample_weight, strict=True)
    ]
    assert sorted(found) == sorted(LINES)
    with pytest.raises(DataError, match="9 lines are too few"):
        split_lines(LINES[:9])


def test_models_of_lines_score_only_their_tokens():
    splits = split_lines(LINES)
    model = bigrams(splits.train, splits.train.shape[0])
    model.fit(splits.train, epochs=20)
    data = splits.test
    p = model.predict(data.x)
    chosen = np.take_along_axis(p, data.y[..., None].astype(int), -1)[..., 0][data.sample_weight > 0]
    assert model.evaluate(data)["loss"] == pytest.approx(-np.log(chosen).mean(), rel=1e-5)


def test_models_keep_their_tokenizer(tmp_path):
    data = windows(TEXT, 8)
    model = bigrams(data, 8)
    with pytest.raises(ConfigError, match="no tokenizer"):
        _ = model.tokenizer
    model.fit(data)
    model.save(tmp_path / "m.pellucid")
    loaded = Model.load(tmp_path / "m.pellucid")
    assert loaded.tokenizer == model.tokenizer
    assert (loaded.predict("abca") == model.predict(model.tokenizer.encode("abcaaaaa")[None])[0, :4]).all()
    assert loaded.evaluate(TEXT) == model.evaluate(data)


def test_texts_that_a_model_cannot_read():
    data = windows(TEXT, 8)
    model = bigrams(data, 8)
    with pytest.raises(DataError, match="is a path, not data"):
        model.predict("abc")
    model.fit(data)
    with pytest.raises(DataError, match="'z' at position 1"):
        model.predict("az")
    with pytest.raises(DataError, match="the text has 9 tokens, and the network reads 8 at once"):
        model.predict("abcdefgha")
    with pytest.raises(DataError, match="the text is empty"):
        model.predict("")
    with pytest.raises(ConfigError, match="one text at a time"):
        model.predict(["a", "b"])
    with pytest.raises(DataError, match="integers"):
        model.predict(np.zeros((1, 8), np.float32))
    with pytest.raises(DataError, match="needs 9"):
        model.evaluate("abc")


def test_tokens_that_no_model_knows():
    data = windows(TEXT, 8)
    wrong = Dataset(data.x + 1, data.y, origin=data.origin)
    with pytest.raises(DataError, match="x contains 8, which is no token"):
        wrong.input_stage().check_values(wrong.x, None, bigrams(data, 8).kernels)
    with pytest.raises(DataError, match="out of range"):
        bigrams(data, 8).fit(wrong)


def test_a_model_of_lines_reads_texts_as_lines():
    splits = split_lines(LINES)
    model = bigrams(splits.train, splits.train.shape[0])
    model.fit(splits.train)
    assert model.predict("ax").shape == (3, len(model.tokenizer)), "the separator comes first"
    assert model.evaluate("ax\nbyy\n")["loss"] > 0
