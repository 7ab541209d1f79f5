"""Made-up results for the chapter "Attention and text", with the verdicts they must give."""

from __future__ import annotations

from pellucid.lab.experiments.causal_mask import CAUSAL, LEAKS


def _masks(clean: float = 0.0, floor: float = 3.47, seen: float = 0.1, weak: float = 0.2):
    found = {name: {"outputs": clean, "gradients": 0.0, "loss": floor} for name in CAUSAL}
    found |= {name: {"outputs": seen, "gradients": 0.1, "loss": 0.2} for name in LEAKS}
    found["a millionth of the next vector"]["loss"] = weak
    return found


# name of the experiment -> pairs of results and expected outcome
CASES = {
    "causal-mask": [
        ([_masks()], "holds"),
        ([_masks(), _masks(weak=3.47)], "depends"),
        ([_masks(), _masks(clean=0.01)], "does not hold"),
        ([_masks(floor=3.3)], "does not hold"),
        ([_masks(), _masks(seen=0.0)], "does not hold"),
    ],
}
