"""The routes of the tab Text: what language models compute for a text, with and without some of their parts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import unpack
from starlette.testclient import TestClient

from pellucid import ConfigError, CrossEntropy, Dense, Embedding, Flatten, Sequential, Softmax
from pellucid.app import server
from pellucid.app.api import RequestFields
from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.app.tabs.text import MAX_DRAWN, SHOWN, SMALL, _drawn
from pellucid.app.texts import CARD, TextNetworks, is_text
from pellucid.data import Corrections
from pellucid.data.text import CharacterTokenizer, Tokens
from pellucid.explain import attention_weights, logit_lens, probabilities_without
from pellucid.runs.folder import RunFolder, open_run
from tests.app.conftest import ADDRESS

TEXT = "to be, or"
ATTENTION = "tiedembedding1.residual{}.attention1"


@pytest.fixture
def ask(text_state):
    """A function that returns the answer of the server to a text."""
    with TestClient(server.application(text_state), base_url=ADDRESS) as client:

        def answer(text=TEXT, network="gpt-tiny", status=200, **fields):
            response = client.post("/api/text/read", json={"network": network, "text": text, **fields})
            assert response.status_code == status, response.text
            return response.json()

        answer.client = client
        yield answer


@pytest.fixture
def model(text_runs):
    return open_run(text_runs["gpt-tiny"])[0]


def test_the_networks_are_described(ask):
    described = {one["name"]: one for one in ask.client.get("/api/text/networks").json()["networks"]}
    assert {"gpt-tiny", "gru-names", "bigram"} <= set(described)
    gpt = described["gpt-tiny"]
    assert gpt["attention"] == [{"path": ATTENTION.format(1), "heads": 2}, {"path": ATTENTION.format(3), "heads": 2}]
    assert [one["label"] for one in gpt["blocks"]] == ["attention 1", "dense layers 1", "attention 2", "dense layers 2"]
    assert (gpt["window"], gpt["prompt"], gpt["loss"]) == (60, "the ", 1.75)
    names = described["gru-names"]
    assert (names["prompt"], names["attention"], names["blocks"]) == ("", [], [])


def test_the_answer_is_what_the_library_computes(ask, model):
    path = ATTENTION.format(3)
    answer = ask(layer=path, head=1)
    p, tokenizer = model.predict(TEXT)[-1], model.tokenizer
    order = np.argsort(-p, kind="stable")[:SHOWN]
    assert [one["text"] for one in answer["next"]] == [tokenizer.decode([i]) for i in order]
    np.testing.assert_allclose([one["p"] for one in answer["next"]], p[order], atol=1e-6)
    assert answer["rest"] == pytest.approx(1 - p[order].sum(), abs=1e-6)
    assert (answer["change"], answer["drawn"], answer["first"]) == (None, None, 0)
    assert [one["name"] for one in answer["tokens"]] == list("to␣be,␣or")
    weights = attention_weights(model, TEXT)
    shown = answer["head"]
    assert (shown["layer"], shown["head"]) == (path, 1)
    np.testing.assert_allclose(unpack(shown["weights"]).reshape(9, 9), weights[path][1], atol=1e-6)
    for layer in answer["layers"]:
        for head, small in enumerate(layer["small"]):
            values = unpack(small, np.uint8).reshape(9, 9)
            np.testing.assert_allclose(values / 255, weights[layer["path"]][head], atol=0.003)
    lens = logit_lens(model, TEXT)
    assert [one["path"] for one in answer["lens"]] == list(lens)
    for one, z in zip(answer["lens"], lens.values(), strict=True):
        e = np.exp(z[-1] - z[-1].max())
        assert one["guesses"][0] == {"name": tokenizer.name(int(e.argmax())), "p": pytest.approx(e.max() / e.sum(), abs=1e-5)}
        assert one["p"] == pytest.approx(e[p.argmax()] / e.sum(), abs=1e-5)


def test_the_lens_can_be_that_of_another_position(ask, model):
    answer, p = ask(position=2), model.predict(TEXT)[2]
    assert (answer["position"], answer["answer"]) == (2, model.tokenizer.name(int(p.argmax())))
    assert answer["lens"][-1]["p"] == pytest.approx(p.max(), abs=1e-6)
    assert ask(position=500)["position"] == len(TEXT) - 1


def test_switches_change_the_prediction(ask, model):
    head, block = [ATTENTION.format(1), 0], "tiedembedding1.residual4"
    answer, before = ask(heads_off=[head], blocks_off=[block]), model.predict(TEXT)[-1]
    p = probabilities_without(model, TEXT, heads=[tuple(head)], blocks=[block])[-1]
    for one in answer["next"]:
        token = model.tokenizer.encode(one["text"])[0]
        assert (one["p"], one["whole"]) == (pytest.approx(p[token], abs=1e-6), pytest.approx(before[token], abs=1e-6))
    assert answer["change"]["distance"] == pytest.approx(abs(p - before).sum() / 2, abs=1e-6)
    assert answer["change"]["distance"] > 0.01
    assert answer["change"]["best_before"]["text"] == model.tokenizer.decode([before.argmax()])
    assert answer["change"]["best_now"]["text"] == model.tokenizer.decode([p.argmax()])
    alone = probabilities_without(model, TEXT, blocks=[block])[-1]
    assert ask(blocks_off=[block])["change"]["distance"] == pytest.approx(abs(alone - before).sum() / 2, abs=1e-6)
    assert "no block 'x'" in ask(blocks_off=["x"], status=400)["error"]
    assert "has no head 2" in ask(heads_off=[[ATTENTION.format(1), 2]], status=400)["error"]
    assert "pairs of a layer" in ask(heads_off=["x"], status=400)["error"]


@pytest.mark.parametrize("settings", [{"temperature": 0.8, "top_k": 4}, {"temperature": 1.5}, {"temperature": 0}])
def test_it_writes_what_generate_writes(ask, model, settings):
    text = "to be"
    expected = "".join(model.generate(text, length=20, seed=3, **settings))
    for _ in range(20):
        text += ask(text, seed=3, **settings)["drawn"]["text"]
    assert text == "to be" + expected


def test_what_is_written_is_that_of_the_changed_network(ask, model):
    off = ["tiedembedding1.residual2"]
    p = probabilities_without(model, TEXT, blocks=off)[-1]
    assert p.argmax() != model.predict(TEXT)[-1].argmax()
    assert ask(blocks_off=off, seed=0, temperature=0)["drawn"]["text"] == model.tokenizer.decode([p.argmax()])


class Pieces:
    """Tokens of the bytes of あ (e3 81 82): the second ends one character and begins the next."""

    def decode(self, tokens):
        pieces = [b"\xe3", b"\x81\x82\xe3", b"\x81\x82", b"a", b"\xff"]
        return b"".join(pieces[token] for token in tokens).decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("writes", "text", "end"),
    [
        ([3, 0], "a", False),
        ([0, 1, 2, 3], "ああ", False),
        ([0, *[1] * 6, 2, 3], "あ" * 7, False),
        ([0, *[1] * 50], "あ" * (MAX_DRAWN - 1), False),
        ([0, 1, 5], "あ", False),
        ([5], "", True),
        ([0, 5], "", True),
        ([4] * 9, "����", False),
    ],
)
def test_no_character_is_given_up_while_more_of_it_follows(writes, text, end):
    stage, model = SimpleNamespace(tokenizer=Pieces(), separator=5), SimpleNamespace(input_shape=(100,))
    logits = np.eye(6, dtype=np.float32)[writes]  # after each token that is drawn
    prompt = np.array([3, 3])
    request = RequestFields({"seed": 0, "temperature": 0})
    drawn = _drawn(SimpleNamespace(stage=stage, model=model), request, prompt, logits[0], lambda all_: logits[len(all_) - 2])
    assert drawn == {"text": text, "end": end}


def test_a_line_begins_with_nothing_and_ends(ask, text_runs):
    model, text, ended = open_run(text_runs["gru-names"])[0], "", False
    assert [one["name"] for one in ask("", "gru-names")["tokens"]] == ["end of line"]
    while not ended:
        drawn = ask(text, "gru-names", seed=1)["drawn"]
        text, ended = text + drawn["text"], drawn["end"]
    assert text == "".join(model.generate("", length=100, seed=1))
    ends = [one for one in ask("", "gru-names")["next"] if one["name"] == "end of line"]
    assert [one["text"] for one in ends] == [None], "it cannot be appended"


def test_of_a_long_text_the_last_window_is_read(ask, model):
    text = "the cat " * 20
    answer = ask(text)
    assert (answer["first"], len(answer["tokens"]), answer["position"]) == (100, 60, 59)
    np.testing.assert_allclose(answer["next"][0]["p"], model.predict(text[-60:])[-1].max(), atol=1e-6)
    assert len(unpack(answer["layers"][0]["small"][0], np.uint8)) == SMALL**2
    assert len(unpack(answer["head"]["weights"])) == 60**2


def test_networks_without_attention_or_blocks_answer_too(ask):
    for network in ("bigram", "gru-names"):
        answer = ask("abc", network)
        assert (answer["layers"], answer["head"], answer["lens"]) == ([], None, [])
        assert sum(one["p"] for one in answer["next"]) + answer["rest"] == pytest.approx(1)


def test_requests_that_cannot_be_answered_say_why(ask):
    assert "'%' at position 1" in ask("a%")["unreadable"], "somebody types: this is no error"
    assert ask("") == {"unreadable": "Type the beginning of a text."}
    assert "at most 20,000 characters" in ask("a" * 20_001, status=400)["error"]
    assert "pellucid train" in ask(network="cnn", status=404)["error"]
    assert "there is no layer 'dense1'" in ask(layer="dense1", status=400)["error"]
    assert "head must be a whole number from 0 to 1" in ask(head=2, status=400)["error"]


def test_the_networks_of_a_folder_are_found_when_they_are_listed(tmp_path, text_runs, trained_runs):
    runs = tmp_path / "runs"
    texts = TextNetworks(runs)
    own = lambda: [one.name for one in texts.all() if not one.of_package]  # noqa: E731
    assert own() == []
    shutil.copytree(trained_runs[0], runs / "digits")
    shutil.copytree(text_runs["bigram"], runs / "first")
    (runs / "broken").mkdir(parents=True)
    shutil.copy(text_runs["bigram"] / "config.json", runs / "broken")
    (runs / "broken" / "model.pellucid").write_bytes(b"nothing")
    assert own() == ["first"], "neither runs of other data nor damaged ones"
    known = texts.get("first").model
    shutil.copytree(text_runs["gpt-tiny"], runs / "second")
    os.utime(runs / "first" / "model.pellucid", (1e9, 1e9))
    assert own() == ["second", "first"], "the newest first"
    assert texts.get("first").model is not known, "its file has another time"
    known = texts.get("first").model
    texts.all()
    assert texts.get("first").model is known
    shutil.rmtree(runs / "second")
    assert own() == ["first"]


def test_only_runs_of_text_are_added(text_runs, trained_runs, tmp_path):
    assert is_text(text_runs["bigram"])
    assert is_text(text_runs["bigram"] / "model.pellucid")
    assert not is_text(trained_runs[0])
    texts = TextNetworks()
    with pytest.raises(
        ConfigError, match="was not trained on text, so the tab Text cannot show it; pellucid train tinyshakespeare"
    ):
        texts.add(trained_runs[0])
    network = Sequential(Dense(3), Softmax()).compile((4,), CrossEntropy())
    folder = RunFolder(tmp_path / "table", "table")
    folder.save_model(network)
    with pytest.raises(ConfigError, match="not trained on text"):
        texts.add(folder.path)
    classes = Sequential(Embedding(4, 3), Flatten(), Dense(2), Softmax())
    model = classes.compile((4,), CrossEntropy(), input_stage=Tokens(CharacterTokenizer("abc"), padding=3))
    folder = RunFolder(tmp_path / "classes", "classes")
    folder.save_model(model)
    with pytest.raises(ConfigError, match="classes does not predict the next of 3 tokens, so the tab Text cannot show it"):
        texts.add(folder.path)
    copy = tmp_path / "other" / "bigram"
    shutil.copytree(text_runs["bigram"], copy)
    texts.add(text_runs["bigram"], copy)
    assert sorted(one.name for one in texts.all() if not one.of_package) == sorted(["texts/bigram", "other/bigram"])


def test_a_folder_of_texts_leaves_the_pair_to_the_other_tabs(tmp_path, text_runs):
    shutil.copytree(text_runs["bigram"], tmp_path / "runs" / "bigram")
    state = AppState(Networks(), tmp_path / "runs", Corrections(tmp_path / "corrections"), load_runs=True)
    with TestClient(server.application(state), base_url=ADDRESS) as client:
        listed = client.get("/api/text/networks").json()["networks"]
        assert listed[0]["name"] == "bigram"
        assert {one["name"] for one in client.get("/api/networks").json()["networks"]} == {"draw-mlp", "draw-cnn"}


def test_the_network_of_the_package_is_the_one_on_its_card(tmp_path):
    folder = Path(str(files("pellucid.app").joinpath("shakespeare")))
    card = json.loads((folder / CARD).read_text())
    content = (folder / card["file"]).read_bytes()
    again = f"{card['file']} is not the file of its card: make both with {card['command']} --data-dir FOLDER"
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (card["sha256"], card["bytes"]), again
    pair = files("pellucid.app").joinpath("pair")
    sizes = [len(content), *(len(one.read_bytes()) for one in pair.iterdir() if one.name.endswith(".pellucid"))]
    assert len(content) <= 2_000_000
    assert sum(sizes) <= 3_000_000, "what the package carries"
    texts = TextNetworks(tmp_path)
    network = texts.all()[-1]
    assert network.of_package
    described = network.describe()
    assert (described["parameters"], described["window"]) == (card["metrics"]["parameters"], 64)
    assert described["loss"] == card["metrics"][described["evaluated_on"]]["loss"] < 1.8
    tokens = network.model.tokenizer.encode("KING RICHARD")
    assert network.reader.read(tokens[:9]).logits[-1].argmax() == tokens[9], "it knows a king"
