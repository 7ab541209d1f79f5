"""Made-up results for the chapter "What a network sees", with the verdicts they must give."""

from __future__ import annotations

LAYERS = "layer 0 (the pixels)", "layer 1", "layer 2"
METHODS = "saliency", "input × gradient", "integrated gradients", "DeepLIFT", "expected gradients"


def _separation(*between: float, plane: tuple[float, ...] = (0.1, 0.2, 0.3)):
    return {name: {"between": one, "between in 2-D": other} for name, one, other in zip(LAYERS, between, plane, strict=True)}


def _attributions(error: float, unchanged: float, random: float = 0.9):
    return {"random pixels": random, **{name: {"error": error, "unchanged": unchanged} for name in METHODS}}


def _watermark(accuracy: float, recognized: float, misled: float, mark: float):
    marked = {
        "same source": accuracy,
        "threes without the mark": recognized,
        "others with the mark": misled,
        "attribution on the mark": mark,
    }
    return {"marked": marked, "clean": {"same source": 0.97}}


def _adversarial(plain: float, noise: float, random: float = 0.97):
    def arm(after: float):
        return {"adversarial": [0.98, 0.9, 0.8, after, 0.1, 0.1, 0.1], "random": [0.98, 0.98, 0.98, random, 0.9, 0.9, 0.9]}

    return {"no augmentation": arm(plain), "shifts, rotations, scaling": arm(plain + 0.05), "noise": arm(noise)}


def _state(fraction: float, same: float, error: float = 1e-6):
    return {"fraction": fraction, "same": same, "error": error}


# name of the experiment -> pairs of results and expected outcome
CASES = {
    "learned-representations": [
        ([_separation(0.2, 0.4, 0.6)], "holds"),
        ([_separation(0.2, 0.4, 0.6), _separation(0.2, 0.6, 0.4)], "does not hold"),
        ([_separation(0.2, 0.4, 0.6, plane=(0.3, 0.2, 0.4))], "does not hold"),
    ],
    "attributions": [
        ([_attributions(0.01, 0.5)], "holds"),
        ([_attributions(0.2, 0.5)], "does not hold"),
        ([_attributions(0.01, 0.85)], "does not hold"),
    ],
    "spurious-watermark": [
        ([_watermark(0.97, 0.1, 0.2, 0.5)], "holds"),
        ([_watermark(0.9, 0.1, 0.2, 0.5)], "does not hold"),
        ([_watermark(0.97, 0.9, 0.2, 0.5)], "does not hold"),
        ([_watermark(0.97, 0.1, 0.2, 0.05)], "does not hold"),
    ],
    "adversarial-examples": [
        ([_adversarial(0.3, 0.6)], "holds"),
        ([_adversarial(0.3, 0.25)], "depends"),
        ([_adversarial(0.9, 0.95)], "does not hold"),
        ([_adversarial(0.3, 0.6, random=0.7)], "does not hold"),
    ],
    "network-state": [
        ([_state(0.7, 0.97)], "holds"),
        ([_state(0.4, 0.97)], "does not hold"),
        ([_state(0.7, 0.8)], "does not hold"),
        ([_state(0.7, 0.97, error=0.1)], "does not hold"),
    ],
}
