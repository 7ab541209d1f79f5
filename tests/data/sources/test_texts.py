"""tinyshakespeare and names: their files, found, verified, downloaded or replaced."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

import pellucid.data
from pellucid.data.sources import texts
from pellucid.errors import ConfigError, DataError, FileError

PLAY = "To be, or not to be: that is the question.\n" * 40
FIRST_NAMES = "\n".join(f"{'abcdefghij'[i % 10]}{'nms'[i % 3]}{'aeiou'[i % 5]}" for i in range(60)) + "\n"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder with two small texts that count as the published ones, and an empty home folder. Nothing is downloaded."""
    folder = tmp_path / "data" / "text"
    folder.mkdir(parents=True)
    for name, text in (("tinyshakespeare", PLAY), ("names", FIRST_NAMES)):
        source = dataclasses.replace(texts.PUBLISHED[name], digest=hashlib.sha256(text.encode()).hexdigest())
        monkeypatch.setitem(texts.PUBLISHED, name, source)
        monkeypatch.setattr(texts, name.upper(), source)
        (folder / source.file).write_text(text)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PELLUCID_DATA", raising=False)

    def fetch(urls, target, check):
        raise DataError(f"{target.name} could not be downloaded")

    monkeypatch.setattr("pellucid.data.sources.download.fetch", fetch)
    return folder


def test_a_text_in_a_folder(published, monkeypatch):
    splits = pellucid.data.tinyshakespeare(published, context=16)
    assert (splits.name, splits.source) == ("tinyshakespeare", str(published))
    assert len(splits.train.passage) == int(0.85 * len(PLAY))
    monkeypatch.setenv("PELLUCID_DATA", str(published.parent / "mnist"))
    beside = pellucid.data.load("tinyshakespeare")
    assert beside.source == str(published), "a folder text beside that of other data sets"
    assert beside.train.shape == (64,)
    monkeypatch.setenv("PELLUCID_DATA", str(published.parent))
    assert pellucid.data.load("names").sizes == {"train": 48, "validation": 6, "test": 6}


def test_a_file_that_is_not_the_published_one(published):
    (published / "names.txt").write_text("emma\n")
    with pytest.raises(FileError, match=r"not the published names.txt: expected SHA-256"):
        pellucid.data.names(published)
    with pytest.raises(DataError, match=r"no names.txt in it"):
        pellucid.data.names(published.parent.parent / "home")


def test_a_download_is_verified(published, monkeypatch, tmp_path):
    def fetch(urls, target, check):
        assert urls == [texts.NAMES.url]
        for content in ("<html>", FIRST_NAMES):
            (tmp_path / "part").write_text(content)
            try:
                check(tmp_path / "part")
            except FileError:
                assert content == "<html>"
            else:
                target.parent.mkdir(parents=True)
                target.write_text(content)

    monkeypatch.setattr("pellucid.data.sources.download.fetch", fetch)
    assert pellucid.data.fetch("names") == tmp_path / "home" / ".cache" / "pellucid" / "names"
    monkeypatch.setattr("pellucid.data.sources.download.fetch", None)
    assert pellucid.data.names().source == "download"
    assert pellucid.data.fetch("names").is_dir(), "a good file in the cache is not downloaded again"


def test_without_a_network_the_documentation_replaces_them(published, capsys, monkeypatch):
    monkeypatch.setattr("pellucid.data.sources.documentation.documentation", lambda: PLAY)
    monkeypatch.setattr(texts, "documentation", lambda: PLAY)
    splits = pellucid.data.tinyshakespeare(context=16)
    assert (splits.name, splits.source) == ("tinyshakespeare-offline", "the documentation of this package")
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "tinyshakespeare could not be downloaded: the documentation of this package serves as the text" in error
    monkeypatch.setattr(texts, "words", lambda: FIRST_NAMES.split())
    assert pellucid.data.names().name == "names-offline"
    assert "the words of the documentation of this package serve as the text" in capsys.readouterr().err


def test_the_documentation_is_that_of_the_package():
    text = texts.documentation()
    assert text.isascii()
    assert "Every output" not in text or len(text) > 100_000
    assert "The base class of tokenizers." in text
    found = texts.words()
    assert len(found) > 1000
    assert all(3 <= len(word) <= 15 and word.isalpha() and word.islower() for word in found)


def test_the_state_of_texts(published, monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", str(published))
    rows = {row["name"]: row for row in pellucid.data.status()}
    assert rows["names"]["ok"]
    assert rows["tinyshakespeare"]["where"] == str(published)
    (published / "names.txt").write_text("emma\n")
    rows = {row["name"]: row for row in pellucid.data.status()}
    assert not rows["names"]["ok"]
    (published / "names.txt").unlink()
    assert {row["name"]: row for row in pellucid.data.status()}["names"]["where"] == "not downloaded"


def test_the_published_files():
    """The sizes are those of the published files."""
    for source, load in ((texts.TINYSHAKESPEARE, texts.tinyshakespeare), (texts.NAMES, texts.names)):
        if texts.find_file(source, None) is None:
            pytest.skip("the texts are not on this machine")
        assert load().sizes == source.sizes
    with pytest.raises(ConfigError, match="context"):
        texts.tinyshakespeare(context=0)
