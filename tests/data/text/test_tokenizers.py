"""Tokenizers: texts as numbers and back, and what cannot be encoded."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pellucid.core.config import from_json, to_json
from pellucid.data.text import BytePairTokenizer, CharacterTokenizer, Tokenizer
from pellucid.errors import ConfigError, DataError

TEXT = "the cat sat on the mat, and the rat sat on the cat: thé çà 😀\n" * 20


@given(st.text(min_size=1))
def test_characters_come_back(text):
    tokenizer = CharacterTokenizer.of(text)
    tokens = tokenizer.encode(text)
    assert tokens.dtype == np.int32
    assert len(tokens) == len(text) == tokenizer.lengths[tokens].sum()
    assert tokenizer.decode(tokens) == text
    assert list(tokenizer.vocabulary) == sorted(set(text))


def test_the_number_of_a_character_is_its_place_in_the_vocabulary():
    tokenizer = CharacterTokenizer("zab")
    assert tokenizer.encode("abz").tolist() == [1, 2, 0]
    assert tokenizer.decode([0, 2]) == "zb"
    assert len(tokenizer) == 3
    assert CharacterTokenizer.of("b\na ").names == ("\\n", "␣", "a", "b")
    assert tokenizer.encode("").shape == (0,)
    assert tokenizer.decode([]) == ""


def test_unknown_characters_are_named():
    with pytest.raises(DataError, match=r"'x' at position 2 of the text is not in the vocabulary, and 1 more: z; it has 2"):
        CharacterTokenizer("ab").encode("abxz")
    with pytest.raises(DataError, match="not in the vocabulary"):
        CharacterTokenizer("ab").encode("\U0010ffff")


@pytest.mark.parametrize("vocabulary", ["", "aba", 3])
def test_vocabularies_that_are_refused(vocabulary):
    with pytest.raises(ConfigError, match="vocabulary"):
        CharacterTokenizer(vocabulary)


@pytest.mark.parametrize("tokens", [[0, 3], [-1], [0.5], [[0, 1]], ["a"]])
def test_numbers_that_are_no_tokens(tokens):
    with pytest.raises(DataError, match="token"):
        CharacterTokenizer("abc").decode(tokens)


def test_a_text_without_characters():
    with pytest.raises(DataError, match="empty"):
        CharacterTokenizer.of("")


def test_settings_survive_json():
    tokenizer = CharacterTokenizer.of(TEXT)
    again = from_json(json.loads(json.dumps(to_json(tokenizer))), Tokenizer)
    assert again == tokenizer
    assert again.encode(TEXT).tolist() == tokenizer.encode(TEXT).tolist()


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigError, match=r"pip install 'pellucid\[text\]'"):
        BytePairTokenizer.of(TEXT)


@pytest.fixture(scope="module")
def pairs():
    """A tokenizer that has learned 280 tokens."""
    pytest.importorskip("tokenizers")
    return BytePairTokenizer.of(TEXT, tokens=280)


def test_byte_pairs_come_back(pairs):
    assert len(pairs) == 280
    for text in (TEXT, "Заря, never seen", "\x00\t  two spaces\r\n", ""):
        tokens = pairs.encode(text)
        assert tokens.dtype == np.int32
        assert pairs.decode(tokens) == text
        assert pairs.lengths[tokens].sum() == len(text)
    assert len(pairs.encode(TEXT)) < len(TEXT) / 2
    assert "␣the" in pairs.names
    assert "\\xf0" in pairs.names


def test_learning_byte_pairs_repeats(pairs):
    assert BytePairTokenizer.of(TEXT, tokens=280) == pairs
    assert from_json(json.loads(json.dumps(to_json(pairs))), Tokenizer) == pairs
    assert repr(pairs) == "BytePairTokenizer(280 tokens)"


def test_a_part_of_a_character_is_shown(pairs):
    assert pairs.decode(pairs.encode("é")[:1]) in ("\ufffd", "é")


def test_numbers_of_byte_pairs_that_are_refused(pairs):
    with pytest.raises(ConfigError, match="256 bytes"):
        BytePairTokenizer.of(TEXT, tokens=255)
    with pytest.raises(DataError, match="pairs for"):
        BytePairTokenizer.of("abc", tokens=1000)


@pytest.mark.parametrize("definition", ["", "{}", "[]", "3", '{"model": {"type": "WordPiece", "vocab": {}}}'])
def test_definitions_that_are_refused(definition):
    with pytest.raises(ConfigError, match="definition"):
        BytePairTokenizer(definition)
