"""The Transformer of the benchmarks: its reference in NumPy, and what is checked before generation is timed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import generation_jobs
from benchmarks.contenders import generation, transformer
from benchmarks.contenders.generation import pellucid as writing
from benchmarks.contenders.transformer import Size
from benchmarks.contenders.transformer.pellucid import build_model
from benchmarks.transformer_jobs import reference_logits

SMALL = Size(2, 2, 8, 50, tokens=11)


def test_the_reference_computes_what_the_network_computes():
    p = generation_jobs.parameters(SMALL)
    x = np.random.default_rng(1).integers(0, 11, (3, 50))
    logits = build_model(SMALL, p=p).predict(x, logits=True)
    np.testing.assert_allclose(logits, reference_logits(SMALL, p, x), atol=1e-4)
    assert p["scale"].std() > 0.01, "the scales count, too"


def test_another_network_is_noticed_before_it_is_timed():
    p, other = generation_jobs.parameters(SMALL), generation_jobs.parameters(SMALL)
    other["blocks"][1]["up"] *= -1
    for values in (p, other):
        model = build_model(SMALL, p=values)
        greedy = lambda count, model=model: list(model.generate([1], length=count, temperature=0))  # noqa: E731
        generation_jobs.check_tokens(SMALL, values, greedy)
    with pytest.raises(RuntimeError, match="this is another network"):
        generation_jobs.check_tokens(SMALL, p, greedy)


def test_the_parameters_are_drawn_once(monkeypatch):
    drawn = []

    def parameters(size):
        drawn.append(size)
        return generation_jobs.parameters(size)

    monkeypatch.setattr(writing, "SIZES", {"small": SMALL})
    monkeypatch.setattr(writing, "parameters", parameters)
    monkeypatch.setattr(writing, "TOP_K", 3)
    job = writing.generate("small", 5)
    first = job.run()
    assert job.check([first], [first]) == "5 tokens, the most likely ones equal to those of the reference"
    assert drawn == [SMALL]


def test_the_sizes_are_those_of_training_steps():
    assert set(generation.SIZES) < set(transformer.SIZES)
