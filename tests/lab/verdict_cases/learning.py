"""Made-up results for the chapter "Learning", with the verdicts they must give."""

from __future__ import annotations


def _equations(hand: float, elementwise: float):
    return {
        name: {"δ = a − y": {"x": hand}, "elementwise σ'": {"x": elementwise}} for name in ("one hidden layer", "three layers")
    }


def _likelihood(away: float = 0.0, fitted: float = 0.4):
    return {
        "cross-entropy": [0.5, 0.3],
        "likelihood": [0.5, 0.3 + away],
        "counts": [0.4, 0.4, 0.2],
        "fitted": [fitted, 0.8 - fitted, 0.2],
    }


def _descents(rises: tuple[float, float, float], samples: tuple[int, int, int], reached: bool = True):
    names = ("full batch", "mini-batches of 10", "single samples")
    both = zip(names, rises, samples, strict=True)
    return {name: {"rises": rise, "samples": count, "reached": reached} for name, rise, count in both}


def _graphs(error: float = 1e-9, depth: int = 7):
    return {"graphs": [{"error": error, "depth": depth, "longest": 7, "paths": 5.0}]}


def _starts(*losses: float, curvature: float = 0.1):
    return {"starts": [{"loss": loss, "slope": 1e-10, "curvature": curvature} for loss in losses]}


def _clipped(free: float, value: float, norm: float, longest: float = 50.0):
    found = {"no clipping": {"converged": free, "longest step": longest}}
    for limit in (0.5, 1.0):
        found[f"by value, ±{limit}"] = {"converged": value, "longest step": 0.4}
        found[f"by norm, {limit}"] = {"converged": norm, "longest step": 0.3}
    return found


def _rates(low: float, best: float, high: float, suggested: float):
    ends = [low] * 4 + [best] * 4 + [high] * 3
    ends[7] = best - 0.001  # a hundredth of the best rate is four places lower
    return {"curves": [[1.0, end] for end in ends], "suggestion": 0.1, "suggested": suggested}


def _perturbation(one: tuple[int, int], parallel: tuple[int, int], keep: tuple[int, int]):
    names = ("backpropagation", "one weight at a time", "all weights in parallel", "one weight, kept if better")
    counts = zip(names, ((100, 100), one, parallel, keep), strict=True)
    return {name: {"17": {"passes": few}, "65": {"passes": many}} for name, (few, many) in counts}


# name of the experiment -> pairs of results and expected outcome
CASES = {
    "backpropagation-equations": [
        ([_equations(1e-15, 1e-15)], "holds"),
        ([_equations(1e-15, 2.0)], "depends"),
        ([_equations(1e-15, 2.0), _equations(1e-3, 2.0)], "does not hold"),
    ],
    "maximum-likelihood": [
        ([_likelihood(), _likelihood(1e-6)], "holds"),
        ([_likelihood(), _likelihood(0.01)], "does not hold"),
        ([_likelihood(), _likelihood(fitted=0.45)], "does not hold"),
    ],
    "stochastic-gradient-descent": [
        ([_descents((0.0, 0.2, 0.4), (3000, 500, 200))], "holds"),
        ([_descents((0.0, 0.2, 0.4), (300, 500, 200))], "depends"),
        ([_descents((0.0, 0.2, 0.4), (3000, 500, 200), reached=False)], "depends"),
        ([_descents((0.5, 0.2, 0.4), (300, 500, 200))], "does not hold"),
    ],
    "backpropagation-in-graphs": [
        ([_graphs(), _graphs(1e-8)], "holds"),
        ([_graphs(), _graphs(1e-3)], "does not hold"),
        ([_graphs(), _graphs(depth=6)], "does not hold"),
    ],
    "local-minima": [
        ([_starts(0.3, 0.1), _starts(0.1, 0.3)], "holds"),
        ([_starts(0.3, 0.1), _starts(0.2, 0.3)], "depends"),
        ([_starts(0.3, 0.1), _starts(0.1, 0.1)], "does not hold"),
        ([_starts(0.3, 0.1, curvature=-0.1)], "does not hold"),
    ],
    "gradient-clipping": [
        ([_clipped(0.2, 0.8, 0.9)], "holds"),
        ([_clipped(0.2, 0.1, 0.9)], "depends"),
        ([_clipped(0.9, 0.1, 0.8)], "does not hold"),
        ([_clipped(0.2, 0.8, 0.9, longest=1.0)], "does not hold"),
    ],
    "learning-rate": [
        ([_rates(2.0, 0.4, 3.0, 0.5)], "holds"),
        ([_rates(2.0, 0.4, 3.0, 0.5), _rates(2.0, 0.4, 3.0, 0.9)], "depends"),
        ([_rates(0.5, 0.4, 3.0, 0.5)], "does not hold"),
        ([_rates(2.0, 0.4, 0.5, 0.5)], "does not hold"),
    ],
    "weight-perturbation": [
        ([_perturbation((600, 2000), (900, 4000), (400, 900))], "holds"),
        ([_perturbation((600, 2000), (900, 4000), (200, 900))], "depends"),
        ([_perturbation((600, 2000), (300, 400), (400, 900))], "depends"),
        ([_perturbation((600, 2000), (900, 4000), (80, 90))], "does not hold"),
        ([_perturbation((600, 500), (900, 4000), (400, 900))], "does not hold"),
    ],
}
