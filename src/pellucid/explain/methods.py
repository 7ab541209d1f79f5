"""The attribution methods by name, with one signature for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, did_you_mean
from pellucid.explain.attribution import Attribution
from pellucid.explain.deeplift import deeplift
from pellucid.explain.explained_output import ClassChoice, OutputKind
from pellucid.explain.grad_cam import grad_cam
from pellucid.explain.gradients import input_times_gradient, saliency
from pellucid.explain.integrated_gradients import expected_gradients, integrated_gradients
from pellucid.explain.occlusion import occlusion
from pellucid.explain.output_position import Position
from pellucid.model.model import Model


@dataclass(frozen=True)
class Method:
    """An attribution method: a callable with the arguments that all methods have in common.

    - ``name``: its name in commands and on the page.
    - ``about``: one sentence that describes it.
    - ``function``: the function that computes it; its further settings have their default values.
    - ``complete``: whether its values add up to the difference to explain, as a theorem.
    - ``signed``: whether it distinguishes values that support the output from those that oppose it.
    - ``needs_background``: whether it compares with background samples instead of a baseline.
    - ``needs_convolution``: whether it raises ConfigError for a network without a convolution.
    """

    name: str
    about: str
    function: Callable[..., Attribution]
    complete: bool
    signed: bool = True
    needs_background: bool = False
    needs_convolution: bool = False

    def __call__(
        self,
        model: Model,
        x: Array,
        target: ClassChoice | None = None,
        *,
        against: ClassChoice | None = None,
        of: OutputKind = "logit",
        position: Position | None = None,
        baseline: Array | None = None,
        background: Array | None = None,
        dtype: Any = np.float32,
    ) -> Attribution:
        """Return the attribution of the samples x (n, *input shape).

        A method uses either ``baseline`` or ``background``, and ignores the other. Raises DataError if it needs a background
        and there is none.
        """
        settings: dict[str, Any] = {"against": against, "of": of, "position": position, "dtype": dtype}
        if not self.needs_background:
            return self.function(model, x, target, baseline=baseline, **settings)
        if background is None:
            raise DataError(f"{self.name} needs a background: give some training samples, for example 100 of them")
        return self.function(model, x, background, target, **settings)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "saliency",
            "The sensitivity of the output to a small change of each pixel, in either direction.",
            saliency,
            complete=False,
            signed=False,
        ),
        Method(
            "input-times-gradient",
            "Each pixel's difference from the baseline, times the gradient at the image; complete only for linear networks.",
            input_times_gradient,
            complete=False,
        ),
        Method(
            "integrated-gradients",
            "The gradient of each pixel, integrated along the line from the baseline to the image.",
            integrated_gradients,
            complete=True,
        ),
        Method(
            "expected-gradients",
            "SHAP values: integrated gradients, averaged over background images instead of one baseline.",
            expected_gradients,
            complete=True,
            needs_background=True,
        ),
        Method(
            "deeplift",
            "The effect of each unit's whole change from the baseline, propagated backward unit by unit.",
            deeplift,
            complete=True,
        ),
        Method(
            "grad-cam",
            "Where a convolution found features that support the class: regions, not pixels.",
            grad_cam,
            complete=False,
            signed=False,
            needs_convolution=True,
        ),
        Method(
            "occlusion",
            "The drop in the output when a small window covers that part of the image.",
            occlusion,
            complete=False,
        ),
    )
}


def method(name: str) -> Method:
    """Return the method of that name. Raises ConfigError for an unknown name."""
    if name not in METHODS:
        raise ConfigError(f"unknown attribution method {name!r}: {did_you_mean(name, METHODS)}")
    return METHODS[name]
