"""Tests of generation from text: prompts and pieces of text, the ends of lines, texts as stops, and characters in parts."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import GRU, ConfigError, CrossEntropy, DataError, Dense, Embedding, Flatten, Model, Sequential, Softmax
from pellucid.data.text import BytePairTokenizer, CharacterTokenizer, Tokens
from pellucid.model.generated import TextStream

VOCABULARY = "\n abcdefgh"


def model_of(tokenizer, *, separator=None, window=8, inner=None, entries=None):
    entries = entries or len(tokenizer)
    inner = inner or (GRU(12, return_sequences=True),)
    network = Sequential(Embedding(entries, 6), *inner, Dense(len(tokenizer)), Softmax())
    model = network.compile(input_shape=(window,), loss=CrossEntropy(), input_stage=Tokens(tokenizer, separator))
    model.parameters[:] += np.sin(np.arange(model.parameters.size))
    return model


@pytest.fixture(scope="module")
def model():
    return model_of(CharacterTokenizer(VOCABULARY))


@pytest.fixture(scope="module")
def lines():
    """A model whose lines end after some characters."""
    return model_of(CharacterTokenizer(VOCABULARY), separator=0)


def test_text_continues_text_and_tokens_continue_tokens(model):
    encode, decode = model.tokenizer.encode, model.tokenizer.decode
    pieces = list(model.generate("abc", length=30, seed=2))
    tokens = list(model.generate(encode("abc"), length=30, seed=2))
    assert pieces == [decode([token]) for token in tokens]
    together = list(model.generate(["abc", "h", "a b c d e f g"], length=30, seed=2))
    assert [step[0] for step in together] == pieces
    assert [step[1] for step in together] == list(model.generate("h", length=30, seed=2))


def test_the_file_of_a_model_writes_the_same(model, tmp_path):
    model.save(tmp_path / "text.pellucid")
    loaded = Model.load(tmp_path / "text.pellucid")
    assert "".join(loaded.generate("abc", length=20)) == "".join(model.generate("abc", length=20))


def test_a_model_of_lines_begins_after_a_separator_and_ends_before_one(lines):
    texts = ["".join(lines.generate("", length=200, seed=seed)) for seed in range(10)]
    assert all("\n" not in text for text in texts)
    assert len(set(texts)) > 5
    assert any(len(text) < 200 for text in texts)
    for seed in range(3):  # the same, with tokens: the separator is the prompt
        tokens = list(lines.generate([0], length=200, seed=seed))
        assert lines.tokenizer.decode(tokens) == texts[seed]
    several = list(lines.generate(["", "", "ab"], length=200, seed=[0, 1, 0]))
    for i in range(2):
        column = [step[i] for step in several]
        assert "".join(piece or "" for piece in column) == texts[i]
        assert column[len(texts[i]) + 1 :] == [None] * len(column[len(texts[i]) + 1 :])
    longer = "".join(lines.generate("", length=200, seed=0, stop=()))
    assert longer.startswith(texts[0] + "\n")
    assert len(longer) == 200


def test_texts_as_stops(model):
    free = "".join(model.generate("abc", length=60, seed=3))
    for stop in (free[20:21], free[20:23], free[20:30]):
        expected = free[: free.index(stop)]
        assert "".join(model.generate("abc", length=60, seed=3, stop=stop)) == expected
    assert "".join(model.generate("abc", length=60, seed=3, stop=[free[40:45], free[20:23]])) == free[: free.index(free[20:23])]
    assert (
        "".join(model.generate("abc", length=60, seed=3, stop=free[50:60] + "x")) == free
    )  # what was held back comes at the end
    token = int(model.tokenizer.encode(free[20])[0])
    assert "".join(model.generate("abc", length=60, seed=3, stop=token)) == free[: free.index(free[20])]
    pair = list(model.generate(["abc", "h"], length=60, seed=3, stop=free[20:23]))
    assert "".join(step[0] or "" for step in pair) == free[: free.index(free[20:23])]
    other = "".join(model.generate("h", length=60, seed=3))
    assert "".join(step[1] or "" for step in pair) == other[: other.index(free[20:23]) if free[20:23] in other else 60]


def test_a_network_with_one_answer_has_separators_before_short_texts():
    model = model_of(CharacterTokenizer(VOCABULARY), separator=0, inner=(Flatten(),))
    assert list(model.generate("ab", length=5, temperature=0, stop=())) == list(
        model.tokenizer.decode(list(model.generate([0] * 6 + [2, 3], length=5, temperature=0, stop=())))
    )


def test_prompts_of_a_text_model(model, lines):
    with pytest.raises(DataError, match="the prompt is empty"):
        model.generate("", length=3)
    with pytest.raises(DataError, match="'x' at position 1 of the text is not in the vocabulary"):
        model.generate("ax", length=3)
    with pytest.raises(DataError, match="prompt 2 is list, unlike the first one"):
        model.generate(["a", [1]], length=3)
    with pytest.raises(ConfigError, match="an empty text is everywhere"):
        model.generate("a", length=3, stop="")
    with pytest.raises(ConfigError, match="stop"):
        model.generate("a", length=3, stop=1.5)
    assert len("".join(lines.generate("a", length=3, stop=()))) == 3


class Bytes:
    """Tokens that are the bytes of UTF-8."""

    def decode(self, tokens):
        return bytes(tokens).decode("utf-8", "replace")


def streamed(text, stops=()):
    stream, pieces = TextStream(Bytes(), stops), []
    for byte in text if isinstance(text, bytes) else text.encode():
        pieces.append(stream.add(byte))
        if stream.ended:
            break
    return [*pieces, stream.rest()]


def test_characters_of_several_tokens_come_as_a_whole():
    assert streamed("aé€😀") == ["a", "", "é", "", "", "€", "", "", "", "😀", ""]
    assert streamed("é".encode()[:1]) == ["", "�"]  # an incomplete character at the end
    assert "".join(streamed(b"\xff\xff\xff\xffab")) == "����ab"
    assert "".join(streamed(b"a\xf0b")) == "a�b"


def test_characters_that_begin_within_tokens_come_as_a_whole():
    """Each token ends a character and begins the next one."""

    class Pieces:
        def decode(self, tokens):
            return b"".join([b"\xe3", b"\x81\x82\xe3", b"\x81\x82"][token] for token in tokens).decode("utf-8", "replace")

    stream = TextStream(Pieces())
    assert [stream.add(token) for token in [0, *[1] * 6, 2]] == ["", *["あ"] * 7]
    assert stream.rest() == ""
    stream = TextStream(Pieces())
    assert "".join([*map(stream.add, [0, 1, 1]), stream.rest()]) == "ああ�"


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("one two", ("two",), "one "),
        ("ababac", ("abac",), "ab"),
        ("aaab", ("aab",), "a"),
        ("xyz", ("yz", "xy"), ""),
        ("a\nb\n\nc", ("\n\n",), "a\nb"),
        ("end\n", ("\n\n",), "end\n"),
        ("ünü", ("nü",), "ü"),
        ("abc", (), "abc"),
    ],
)
def test_what_may_begin_a_stop_is_held_back(text, stops, expected):
    pieces = streamed(text, stops)
    assert "".join(pieces) == expected
    for stop in stops:
        assert all(
            not "".join(pieces[:k]).endswith(stop[0]) or expected.startswith("".join(pieces[:k])) for k in range(len(pieces))
        )


def test_byte_pairs():
    pytest.importorskip("tokenizers")
    tokenizer = BytePairTokenizer.of("ä naïve Übung mit Wörtern, größer als früher. " * 20, tokens=280)
    model = model_of(tokenizer)
    pieces = list(model.generate("größer ", length=60, seed=1))
    tokens = list(model.generate(tokenizer.encode("größer "), length=60, seed=1))
    assert "".join(pieces) == tokenizer.decode(tokens)
