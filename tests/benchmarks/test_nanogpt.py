"""nanoGPT's training: its windows, learning rates and options, and a shortened form of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import nanogpt


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tinyshakespeare.txt").write_text("First Citizen:\nBefore we proceed any further, hear me speak.\n\n" * 60)
    return tmp_path


def test_windows_and_their_targets(folder):
    train, validation = nanogpt.read_tokens(folder)
    assert len(train) == 9 * len(validation) == 3348
    x, y = nanogpt.drawn_windows(train, np.random.default_rng(0))
    assert x.shape == y.shape == (12, 64)
    assert (x[:, 1:] == y[:, :-1]).all()
    x, y = nanogpt.consecutive_windows(validation)
    assert (x.ravel() == validation[:320]).all()
    assert (y.ravel() == validation[1:321]).all()


def test_the_rate_rises_and_falls_to_a_tenth():
    rates = [nanogpt.rate(step, 2.0, 1_000) for step in range(1_001)]
    assert rates[0] == pytest.approx(2 / 101)
    assert max(rates) == rates[100] == pytest.approx(2.0)
    assert rates[550] == pytest.approx(1.1)
    assert rates[-1] == pytest.approx(0.2)


@pytest.mark.long
def test_a_short_training(folder, capsys):
    out = folder / "results.json"
    nanogpt.main(["--data-dir", str(folder), "--steps", "3", "--seeds", "2", "--only", "pellucid", "--out", str(out)])
    losses = [one["loss"] for one in json.loads(out.read_text())["results"]["pellucid"]]
    assert losses == pytest.approx([np.log(65)] * 2, abs=0.25)
    assert losses[0] != losses[1]
    table = capsys.readouterr().out.splitlines()
    assert table[2].startswith(f"| pellucid | {np.mean(losses):.3f} | {losses[0]:.3f}, {losses[1]:.3f} |")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "torhc"], "unknown library torhc; choose from pellucid, torch"),
        (["--steps", "0"], "--seeds and --steps must be at least 1"),
        (["--data-dir", "nowhere"], "nowhere contains no tinyshakespeare.txt"),
    ],
)
def test_errors(folder, capsys, arguments, message):
    with pytest.raises(SystemExit):
        nanogpt.main(["--data-dir", str(folder), *arguments])
    assert message in capsys.readouterr().err
