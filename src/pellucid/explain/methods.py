"""The methods by name, all asked in the same way: what a page or a command line lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, did_you_mean
from pellucid.explain.attribution import Attribution
from pellucid.explain.cam import grad_cam
from pellucid.explain.deeplift import deeplift
from pellucid.explain.occlusion import occlusion
from pellucid.explain.paths import expected_gradients, integrated_gradients
from pellucid.explain.question import Class, Of
from pellucid.explain.slopes import input_times_gradient, saliency
from pellucid.model.model import Model


@dataclass(frozen=True)
class Method:
    """A method: its ``function``, with the settings that it has by default, and what it is ``about`` in one sentence.
    ``complete``: whether its values add up to what there is to explain, as a theorem. ``signed``: whether they tell for
    from against. ``needs_background``: whether it compares with a background, and not with a baseline; ``needs_convolution``:
    whether it refuses networks that have none."""

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
        target: Class | None = None,
        *,
        against: Class | None = None,
        of: Of = "logit",
        baseline: Array | None = None,
        background: Array | None = None,
        dtype: Any = np.float32,
    ) -> Attribution:
        """The attribution of the samples x (n, *input shape). Of ``baseline`` and ``background`` each method uses the one it
        is made for, and leaves the other alone."""
        if not self.needs_background:
            return self.function(model, x, target, against=against, of=of, baseline=baseline, dtype=dtype)
        if background is None:
            raise DataError(f"{self.name} compares with a background: give some training samples, for example 100 of them")
        return self.function(model, x, background, target, against=against, of=of, dtype=dtype)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "saliency",
            "How strongly the output would react to a small change of each pixel, in either direction.",
            saliency,
            complete=False,
            signed=False,
        ),
        Method(
            "input-times-gradient",
            "Each pixel's distance to the baseline times the slope at the picture: complete if the network were linear.",
            input_times_gradient,
            complete=False,
        ),
        Method(
            "integrated-gradients",
            "Each pixel's part of the way from the baseline to the picture: the slopes all along it, added up.",
            integrated_gradients,
            complete=True,
        ),
        Method(
            "expected-gradients",
            "SHAP values: integrated gradients on average over background pictures instead of one baseline.",
            expected_gradients,
            complete=True,
            needs_background=True,
        ),
        Method(
            "deeplift",
            "What each unit's whole change from the baseline has done, handed back unit by unit in proportion.",
            deeplift,
            complete=True,
        ),
        Method(
            "grad-cam",
            "Where the last convolution found what speaks for the class: places, not pixels.",
            grad_cam,
            complete=False,
            signed=False,
            needs_convolution=True,
        ),
        Method(
            "occlusion",
            "What the output loses when a small window covers that part of the picture.",
            occlusion,
            complete=False,
        ),
    )
}


def method(name: str) -> Method:
    """The method of that name. Raises ConfigError."""
    if name not in METHODS:
        raise ConfigError(f"there is no attribution method {name!r}: {did_you_mean(name, METHODS)}")
    return METHODS[name]
