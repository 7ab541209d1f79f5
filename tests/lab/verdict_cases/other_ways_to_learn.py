"""Made-up results for the chapter "Other ways to learn", with the verdicts they must give."""

from __future__ import annotations


def _groups(code: float, pixels: float):
    return {"k-means on the code": code, "k-means on the pixels": pixels, "random groups": 0.13, "tree": 0.85}


# name of the experiment -> pairs of results and expected outcome
CASES = {
    "unsupervised-clustering": [
        ([_groups(0.65, 0.55)], "holds"),
        ([_groups(0.55, 0.55)], "depends"),
        ([_groups(0.2, 0.55)], "does not hold"),
    ],
}
