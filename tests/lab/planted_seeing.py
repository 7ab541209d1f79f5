"""Results that nobody measured, for the chapter "What a network sees": what the verdicts must say of them."""

from __future__ import annotations

LAYERS = "layer 0 (the pixels)", "layer 1", "layer 2"
METHODS = "saliency", "input × gradient", "integrated gradients", "DeepLIFT", "expected gradients"


def _apart(*between: float, flat: tuple[float, ...] = (0.1, 0.2, 0.3)):
    return {name: {"between": one, "flat": other} for name, one, other in zip(LAYERS, between, flat, strict=True)}


def _pixels(error: float, kept: float, chance: float = 0.9):
    return {"by chance": chance, **{name: {"error": error, "kept": kept} for name in METHODS}}


def _watermark(looks: float, lost: float, fooled: float, corner: float):
    marked = {"as collected": looks, "threes without it": lost, "others with it": fooled, "in the corner": corner}
    return {"marked": marked, "clean": {"as collected": 0.97}}


def _fooled(plain: float, noise: float, random: float = 0.97):
    def arm(after: float):
        return {"chosen": [0.98, 0.9, 0.8, after, 0.1, 0.1, 0.1], "random": [0.98, 0.98, 0.98, random, 0.9, 0.9, 0.9]}

    return {"as it is": arm(plain), "shifted, turned, stretched": arm(plain + 0.05), "with noise": arm(noise)}


# name of the experiment -> (results, what the verdict says of them)
PLANTED = {
    "layers-pull-classes-apart": [
        ([_apart(0.2, 0.4, 0.6)], "holds"),
        ([_apart(0.2, 0.4, 0.6), _apart(0.2, 0.6, 0.4)], "does not hold"),
        ([_apart(0.2, 0.4, 0.6, flat=(0.3, 0.2, 0.4))], "does not hold"),
    ],
    "which-pixels-speak-for-a-digit": [
        ([_pixels(0.01, 0.5)], "holds"),
        ([_pixels(0.2, 0.5)], "does not hold"),
        ([_pixels(0.01, 0.85)], "does not hold"),
    ],
    "a-watermark-gives-itself-away": [
        ([_watermark(0.97, 0.1, 0.2, 0.5)], "holds"),
        ([_watermark(0.9, 0.1, 0.2, 0.5)], "does not hold"),
        ([_watermark(0.97, 0.9, 0.2, 0.5)], "does not hold"),
        ([_watermark(0.97, 0.1, 0.2, 0.05)], "does not hold"),
    ],
    "little-changes-that-fool": [
        ([_fooled(0.3, 0.6)], "holds"),
        ([_fooled(0.3, 0.25)], "depends"),
        ([_fooled(0.9, 0.95)], "does not hold"),
        ([_fooled(0.3, 0.6, random=0.7)], "does not hold"),
    ],
}
