"""Texts in files and folders, their encodings, and what is no text."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import Adam, CrossEntropy, Dense, Embedding, Ensemble, Model, Sequential, Softmax
from pellucid.core.config import from_json, to_json
from pellucid.data import read_lines, read_text
from pellucid.data.text import CharacterTokenizer, Tokens
from pellucid.data.text.reading import file_text
from pellucid.errors import ConfigError, DataError, FileError

TEXT = "Zwölf Boxkämpfer jagen Viktor.\n" * 40


def test_a_file(tmp_path):
    path = tmp_path / "my.txt"
    path.write_text(TEXT, encoding="utf-8")
    splits = read_text(path, 16)
    assert (splits.name, splits.source) == ("my", str(path))
    assert splits.train.shape == (16,)
    assert file_text(path) == TEXT


def test_ends_of_lines_and_byte_order_marks(tmp_path):
    path = tmp_path / "my.txt"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert file_text(path) == TEXT
    path.write_bytes("ä\rb".encode("latin-1"))
    assert file_text(path, "latin-1") == "ä\nb"
    path.write_bytes(TEXT.encode("utf-16"))
    assert file_text(path, "utf-16") == TEXT


def test_a_folder(tmp_path):
    for name, text in {"b.txt": "b\n", "a/x.md": "x", "c.csv": "1,2", ".hidden.txt": "h", "e.txt": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert file_text(tmp_path) == "b\n\nx\n"


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "my.txt"
    with pytest.raises(FileError, match="no such file"):
        read_text(path, 8)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        read_text(path, 8)
    path.write_bytes(TEXT.encode("latin-1"))
    with pytest.raises(FileError, match=r"not a text in utf-8 \(.* at byte 2\).*--encoding latin-1"):
        read_text(path, 8)
    path.write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(FileError, match=r"in UTF-16.*--encoding utf-16"):
        read_text(path, 8)
    path.write_bytes(bytes(range(256)))
    with pytest.raises(FileError, match="binary data"):
        read_text(path, 8)
    path.write_bytes(b"abc\0def")
    with pytest.raises(FileError, match="binary data, with a zero at character 3"):
        read_text(path, 8)
    path.write_text("a short text")
    with pytest.raises(DataError, match="its train part has 9 tokens, which is too short for a context of 64"):
        read_text(path, 64)
    with pytest.raises(ConfigError, match=r"encoding='latin1x': did you mean 'latin-1'"):
        read_text(path, 8, encoding="latin1x")
    with pytest.raises(FileError, match="cannot be read in the encoding"):
        read_text(path, 8, encoding="base64")


def test_folders_that_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"there are no text files \(.txt"):
        read_text(tmp_path, 8)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError, match="all of its 1 text files are empty"):
        read_text(tmp_path, 8)


def test_lines(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\n".join(["anna", "", "ben", "cleo"] * 10))
    splits = read_lines(path)
    assert splits.sizes == {"train": 24, "validation": 3, "test": 3}
    assert splits.train.shape == (5,)


@pytest.mark.parametrize("lines", [False, True])
def test_models_read_files_in_the_encoding_of_their_training(tmp_path, lines):
    path, other = tmp_path / "old.txt", tmp_path / "new.txt"
    path.write_bytes(TEXT.encode("latin-1"))
    other.write_bytes(TEXT.encode("utf-8"))
    splits = read_lines(path, encoding="latin-1") if lines else read_text(path, 16, encoding="latin-1")
    data = splits.train
    k = len(data.origin.tokens.tokenizer)
    model = Sequential(Embedding(k, k), Softmax()).compile(data.shape, CrossEntropy(), Adam(0.05))
    model.fit(data, epochs=1)
    model.save(tmp_path / "m.pellucid")
    loaded = Model.load(tmp_path / "m.pellucid")
    assert loaded.input_stage == splits.test.origin.tokens == splits.validation.origin.tokens
    read = loaded.read(path)
    np.testing.assert_array_equal(read.x, loaded.read(other, encoding="utf-8").x)
    np.testing.assert_array_equal(read.x, Ensemble([loaded, model]).read(other, encoding="utf-8").x)
    assert loaded.evaluate(read) == loaded.evaluate(loaded.read(other, encoding="utf-8"))
    assert read.origin.tokens == loaded.input_stage
    loaded.fit(read, epochs=1)
    assert loaded.input_stage.encoding == "latin-1", "after more training, too"
    with pytest.raises(DataError, match="'Ã' at position 2"):
        loaded.read(other)
    flat = Sequential(Dense(3), Softmax()).compile((4,), CrossEntropy())
    flat.fit(np.zeros((3, 4), np.float32), np.arange(3), epochs=1)
    with pytest.raises(ConfigError, match="was not trained on text"):
        flat.read(path, encoding="latin-1")


def test_the_default_encoding_is_not_stored():
    stage = Tokens(CharacterTokenizer("ab"))
    assert "encoding" not in to_json(stage), "files of earlier versions are without it"
    assert from_json(to_json(stage), Tokens) == stage
    assert stage.encoding == "utf-8"
