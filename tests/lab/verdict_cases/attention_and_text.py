"""Made-up results for the chapter "Attention and text", with the verdicts they must give."""

from __future__ import annotations

from pellucid.lab.experiments import attention_scaling, induction, positions, recurrent_or_attention
from pellucid.lab.experiments.causal_mask import CAUSAL, LEAKS


def _induction(two: float = 0.99, one: float = 0.07, previous: float = 0.9, copied: float = 0.9):
    found = {name: {"accuracy": [0.05, one]} for name in induction.NETWORKS}
    return {**found, induction.TWO: {"accuracy": [0.05, two]}, "heads": {"previous": previous, "copied": copied}}


def _positions(same: float = 1e-6, guessed: float = 0.5, learned: float = 0.95, masked: float = 0.5, other: float = 0.1):
    found = {name: {"change": same, "accuracy": [0.5, guessed]} for name in positions.WITHOUT}
    found |= {name: {"change": other, "accuracy": [0.5, learned]} for name in positions.WITH}
    return {**found, positions.MASKED: {"change": 0.1, "accuracy": [0.5, masked]}}


def _scaling(behind: float = 0.1, divided: float = 0.9, raw: float = 0.1):
    widths = [str(d) for d in attention_scaling.WIDTHS]
    found = {name: {d: {"slope": slope} for d in widths} for name, slope in (("divided by √d", divided), ("not divided", raw))}
    losses = dict(zip(attention_scaling.TRAINED, (2.0, 2.0 + behind, 2.0), strict=True))
    rates = {name: {"0.001": [3.0, loss + 1], "0.003": [3.0, loss]} for name, loss in losses.items()}
    return {**found, "losses": rates, "text": "a text"}


def _masks(clean: float = 0.0, floor: float = 3.47, seen: float = 0.1, weak: float = 0.2):
    found = {name: {"outputs": clean, "gradients": 0.0, "loss": floor} for name in CAUSAL}
    found |= {name: {"outputs": seen, "gradients": 0.1, "loss": 0.2} for name in LEAKS}
    found["a millionth of the next vector"]["loss"] = weak
    return found


def _contexts(one: float, four: float, sixteen: float, longest: float, far: float = 1.9):
    places = [2.5, 2.3, *[2.1] * 30, *[far] * 32]
    return {"1": one, "4": four, "16": sixteen, "64": longest, "by place": places, "text": "a text"}


def _kinds(transformer: float, slower: float = 1.0, lstm: float = 2.0):
    """The Transformer takes ``slower`` times as long for a step as the others; all losses fall by 0.1 in each epoch."""
    found = {kind: {"loss": [lstm + 0.2, lstm + 0.1, lstm], "seconds": 0.01} for kind in recurrent_or_attention.KINDS}
    curve = [transformer + 0.2, transformer + 0.1, transformer]
    return {**found, "Transformer": {"loss": curve, "seconds": 0.01 * slower}, "text": "a text"}


def _laws(by_parameters: float = 1.0, by_characters: float = 1.0, exponent: float = 0.1):
    """Losses that follow a power law, except for the last one of each kind, which is a multiple of it."""
    found = {}
    for variable, last in (("parameters", by_parameters), ("characters", by_characters)):
        found[variable] = [{variable: x, "loss": 4 * x**-exponent} for x in (1e3, 4e3, 16e3, 64e3)]
        found[variable][-1]["loss"] *= last
    return {**found, "text": "a text"}


# name of the experiment -> pairs of results and expected outcome
CASES = {
    "induction": [
        ([_induction()], "holds"),
        ([_induction(), _induction(previous=0.3)], "depends"),
        ([_induction(), _induction(two=0.9)], "does not hold"),
        ([_induction(one=0.5)], "does not hold"),
    ],
    "positions": [
        ([_positions()], "holds"),
        ([_positions(masked=0.95)], "depends"),
        ([_positions(), _positions(same=1e-3)], "does not hold"),
        ([_positions(guessed=0.7)], "does not hold"),
        ([_positions(), _positions(learned=0.8)], "does not hold"),
        ([_positions(other=1e-6)], "does not hold"),
    ],
    "attention-scaling": [
        ([_scaling()], "holds"),
        ([_scaling(), _scaling(behind=0.0)], "depends"),
        ([_scaling(divided=0.5)], "does not hold"),
        ([_scaling(), _scaling(raw=0.5)], "does not hold"),
    ],
    "causal-mask": [
        ([_masks()], "holds"),
        ([_masks(), _masks(weak=3.47)], "depends"),
        ([_masks(), _masks(clean=0.01)], "does not hold"),
        ([_masks(floor=3.3)], "does not hold"),
        ([_masks(), _masks(seen=0.0)], "does not hold"),
    ],
    "context-length": [
        ([_contexts(2.5, 2.2, 2.0, 1.9)], "holds"),
        ([_contexts(2.5, 2.2, 2.0, 1.99)], "depends"),
        ([_contexts(2.5, 2.2, 2.19, 1.9)], "does not hold"),
        ([_contexts(2.5, 2.4, 2.3, 1.9)], "does not hold"),
        ([_contexts(2.5, 2.2, 2.0, 1.9), _contexts(2.5, 2.2, 2.0, 1.9, far=2.3)], "does not hold"),
    ],
    "recurrent-or-attention": [
        ([_kinds(1.9)], "holds"),
        ([_kinds(1.95, slower=2.0)], "depends"),
        ([_kinds(2.3)], "does not hold"),
    ],
    "scaling-law": [
        ([_laws()], "holds"),
        ([_laws(by_characters=1.05)], "depends"),
        ([_laws(by_parameters=1.05, by_characters=1.05)], "does not hold"),
        ([_laws(exponent=-0.1)], "does not hold"),
    ],
}
