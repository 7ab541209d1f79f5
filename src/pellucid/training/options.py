"""The options of a training, checked when they are created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.core.config import validate
from pellucid.data.augmentation import Augmentation
from pellucid.errors import ConfigError
from pellucid.training.class_weight import ClassWeight
from pellucid.training.perturbation import Perturbation
from pellucid.training.policies import Policy, check_order


@dataclass(frozen=True)
class FitOptions:
    """How a model is trained, apart from the data: the options of ``Model.fit``, which describes each of them.

    Raises ConfigError for a value that no training can have.
    """

    epochs: int = 1
    batch_size: int = 32
    shuffle: bool = True
    augmentation: Augmentation | None = None
    class_weight: ClassWeight | None = None
    policies: Sequence[Policy] = ()
    accumulate: int = 1
    method: Perturbation | None = None
    exact_training_metrics: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate"):
            object.__setattr__(self, name, positive_integer(getattr(self, name), name))
        kinds: Mapping[str, Any] = {
            "shuffle": bool,
            "augmentation": Augmentation | None,
            "policies": tuple[Policy, ...],
            "method": Perturbation | None,
            "exact_training_metrics": bool,
            "deterministic": bool,
        }
        for name, kind in kinds.items():
            object.__setattr__(self, name, validate(getattr(self, name), kind, "fit", name))
        check_order(self.policies)


def positive_integer(value: int, name: str, caller: str = "fit") -> int:
    """Return ``value`` as an int. Raises ConfigError unless it is an integer of at least 1."""
    number: int = validate(value, int, caller, name)
    if number < 1:
        raise ConfigError(f"{caller}({name}={value}): {name} must be at least 1")
    return number
