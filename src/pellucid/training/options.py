"""The options of a training, checked when they are created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core.config import Count, validate
from pellucid.core.habits import refuse_signature
from pellucid.data.sample_augmentation import as_augmentation
from pellucid.training.class_weight import ClassWeight, check_class_weight
from pellucid.training.perturbation import Perturbation
from pellucid.training.policies import Policy, check_order

BATCH_SIZE = 32  # the default


@dataclass(frozen=True)
class FitOptions:
    """The options of a training, apart from its data. ``Model.fit`` has the same keywords, and describes each of them.

    Raises ConfigError for an invalid value. The weights in ``class_weight`` are checked later, since that needs the classes of
    the data.
    """

    epochs: int = 1
    batch_size: int | None = None
    shuffle: bool = True
    augmentation: Any = None
    class_weight: ClassWeight | None = None
    policies: Sequence[Policy] = ()
    accumulate: int = 1
    method: Perturbation | None = None
    exact_training_metrics: bool = False
    deterministic: bool = False
    steps_per_epoch: int | None = None
    resume: str | Path | None = None

    def __post_init__(self) -> None:
        kinds: Mapping[str, Any] = {
            "epochs": Count,
            "batch_size": Count | None,
            "shuffle": bool,
            "policies": tuple[Policy, ...],
            "accumulate": Count,
            "method": Perturbation | None,
            "exact_training_metrics": bool,
            "deterministic": bool,
            "steps_per_epoch": Count | None,
            "resume": str | Path | None,
        }
        for name, kind in kinds.items():
            object.__setattr__(self, name, validate(getattr(self, name), kind, "fit", name))
        if isinstance(self.augmentation, Mapping):  # the trainer, which knows the inputs, checks their names
            by_input = {name: as_augmentation(one, "fit") for name, one in self.augmentation.items()}
            object.__setattr__(self, "augmentation", by_input)
        else:
            object.__setattr__(self, "augmentation", as_augmentation(self.augmentation, "fit"))
        check_class_weight(self.class_weight)
        for policy in self.policies:
            refuse_signature(f"{type(policy).__name__}.wrap", policy.wrap, ("events", "state", "history", "memory"))
        check_order(self.policies)
