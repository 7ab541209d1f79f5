"""Symptoms of a network: the findings that measurements of its activations, gradients and updates show.

Each function compares figures with a threshold (:mod:`pellucid.doctor.kinds`), and returns the findings, at most one for each
layer. ``since`` is the epoch of the measurement, or None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pellucid.core.memory import Array
from pellucid.doctor.finding import Finding
from pellucid.doctor.kinds import (
    DEAD_RELU,
    EXPLODING_GRADIENT,
    INITIAL_LOSS,
    LARGE_UPDATE,
    SATURATED_ACTIVATION,
    SMALL_UPDATE,
    STOPPED_LEARNING,
    VANISHING_GRADIENT,
)
from pellucid.doctor.levels import Levels

MIN_SAMPLES = 200  # fewer say little about a unit that is active for one sample in a hundred
LEFT = 0.5  # of the loss of a constant prediction: with less, small updates are those of a network that has learned


def dead_units(dead: Mapping[str, Array], samples: int, since: int | None = None) -> list[Finding]:
    """Return findings for layers with many units that are dead for all of the samples."""
    return [
        DEAD_RELU.finding(
            path,
            units.mean(),
            f"{int(units.sum()):,} of its {units.size:,} units are on the flat side for all of {samples:,} samples.",
            since,
        )
        for path, units in dead.items()
        if samples >= MIN_SAMPLES and units.mean() > DEAD_RELU.threshold
    ]


def saturated_layers(saturated: Mapping[str, float], since: int | None = None) -> list[Finding]:
    """Return findings for sigmoids and tanhs most of whose outputs are near their limits."""
    return [
        SATURATED_ACTIVATION.finding(
            path, share, f"{share:.0%} of its outputs are so close to a limit that hardly any gradient passes them.", since
        )
        for path, share in saturated.items()
        if share > SATURATED_ACTIVATION.threshold
    ]


def gradient_flow(gradients: Mapping[str, float], since: int | None = None) -> list[Finding]:
    """Return findings for the layer whose gradient is smallest, and for the one whose is largest, beside those after it.

    ``gradients`` are norms, in the order of computation.
    """
    findings = []
    paths = list(gradients)
    small: tuple[float, str, str] = (1.0, "", "")
    large: tuple[float, str, str] = (1.0, "", "")
    for i, path in enumerate(paths[:-1]):
        after = {later: gradients[later] for later in paths[i + 1 :] if 0 < gradients[later] < math.inf}
        if not after or not 0 < gradients[path] < math.inf:  # with 0, a layer does not learn at all: another finding
            continue
        most, least = max(after, key=after.__getitem__), min(after, key=after.__getitem__)
        small = min(small, (gradients[path] / after[most], path, most))
        large = max(large, (gradients[path] / after[least], path, least))
    if small[0] < VANISHING_GRADIENT.threshold:
        ratio, path, other = small
        findings.append(
            VANISHING_GRADIENT.finding(
                path, ratio, f"the gradient that reaches it has {ratio:.1g} of the norm of that which reaches {other}.", since
            )
        )
    if large[0] > EXPLODING_GRADIENT.threshold:
        ratio, path, other = large
        text = f"the gradient that reaches it has {ratio:,.0f} times the norm of that which reaches {other}."
        findings.append(EXPLODING_GRADIENT.finding(path, ratio, text, since))
    return findings


def large_updates(ratios: Mapping[str, float], rate: float, since: int | None = None) -> list[Finding]:
    """Return findings for layers whose weights one step at this learning rate changes by a large part of their norm."""
    return [
        LARGE_UPDATE.finding(
            path, ratio, f"one step at a learning rate of {rate:g} changes its weights by {ratio:.2g} of their norm.", since
        )
        for path, ratio in ratios.items()
        if ratio > LARGE_UPDATE.threshold
    ]


def small_updates(
    ratios: Mapping[str, float], rate: float, loss: float, levels: Levels, since: int | None = None
) -> list[Finding]:
    """Return findings for layers whose weights a step hardly changes, though most of the loss is left.

    ``levels`` are those of the ``loss``; without a constant one there are no findings. Nor are there any where the ratio is 0:
    such a layer has stopped learning, which is another finding.
    """
    if rate <= 0 or levels.constant is None or not share_left(loss, levels) > LEFT:
        return []
    return [
        SMALL_UPDATE.finding(
            path, ratio, f"one step at a learning rate of {rate:g} changes its weights by {ratio:.1g} of their norm.", since
        )
        for path, ratio in ratios.items()
        if 0 < ratio < SMALL_UPDATE.threshold
    ]


def share_left(loss: float, levels: Levels) -> float:
    """Return the share of the loss of a constant prediction that is left; NaN where it is unknown, or not above the lowest."""
    lowest = levels.lowest or 0.0
    if levels.constant is None or not levels.constant > lowest:
        return math.nan
    return (loss - lowest) / (levels.constant - lowest)


def loss_at_start(loss: float, levels: Levels, classes: int, since: int | None = None) -> list[Finding]:
    """Return a finding for an untrained classifier whose loss is well above that of equal probabilities."""
    if levels.equal is None or not loss - levels.equal > INITIAL_LOSS.threshold:
        return []
    text = f"the untrained network has a loss of {loss:.3g}; equal probabilities for {classes} classes have {levels.equal:.3g}."
    return [INITIAL_LOSS.finding("loss", loss - levels.equal, text, since)]


def unchanged_layers(changes: Mapping[str, float], since: int | None = None) -> list[Finding]:
    """Return findings for layers whose parameters an epoch has not changed, while it has changed others."""
    if max(changes.values(), default=0.0) < 100 * STOPPED_LEARNING.threshold:
        return []
    return [
        STOPPED_LEARNING.finding(path, change, f"an epoch changes its parameters by {change:.1g} of their norm.", since)
        for path, change in changes.items()
        if change < STOPPED_LEARNING.threshold
    ]


def layers_without_gradient(slopes: Mapping[str, float]) -> list[Finding]:
    """Return findings for layers whose parameters have the gradient 0, while others have one."""
    if not max(slopes.values(), default=0.0) > 0:
        return []
    return [
        STOPPED_LEARNING.finding(path, 0.0, "the gradient of its parameters is 0 for all samples.")
        for path, slope in slopes.items()
        if slope == 0
    ]
