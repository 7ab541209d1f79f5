"""The input stages of a network with several inputs: one for each, used together like one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.core.config import validate
from pellucid.core.memory import Array
from pellucid.core.named_arrays import NamedArrays
from pellucid.data.input_stage import InputStage, input_stage_for
from pellucid.errors import ConfigError, DataError
from pellucid.kernels import Kernels


class InputStages(Mapping[str, InputStage]):
    """The :class:`~pellucid.data.input_stage.InputStage` of each input by name. Samples are NamedArrays."""

    def __init__(self, stages: Mapping[str, InputStage]):
        if not isinstance(stages, Mapping):
            raise ConfigError(f"the input stages must be a dictionary by input, not {type(stages).__name__}")
        self._stages = {name: validate(stage, InputStage, "Model", "input_stage") for name, stage in stages.items()}

    def __getitem__(self, name: str) -> InputStage:
        return self._stages[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stages)

    def __len__(self) -> int:
        return len(self._stages)

    def __repr__(self) -> str:
        return repr(self._stages)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InputStages) and self._stages == other._stages

    __hash__ = None  # type: ignore[assignment]

    def transform(self, x: NamedArrays, rows: Array | slice, out: NamedArrays, kernels: Kernels) -> NamedArrays:
        """Return the samples ``rows`` of ``x`` as the network reads them; see ``InputStage.transform``."""
        return NamedArrays(
            {name: self._named(name, stage.transform, x[name], rows, out[name], kernels) for name, stage in self.items()}
        )

    def check_values(self, x: NamedArrays, rows: Array | None, kernels: Kernels) -> None:
        """Raise DataError if one of the ``rows`` has values that no network can be trained on."""
        for name, stage in self.items():
            self._named(name, stage.check_values, x[name], rows, kernels)

    def check(self, x: NamedArrays) -> None:
        """Raise DataError for data of another kind than the model was trained on."""
        for name, stage in self.items():
            self._named(name, stage.check, x[name])

    def _named(self, name: str, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except DataError as error:
            raise DataError(f"the input {name!r}: {error}") from None


AnyStage = InputStage | InputStages


def stage_for(x: Any) -> AnyStage:
    """Return the input stage for training data x; of several inputs, one for each. Raises DataError unless it is numbers."""
    if isinstance(x, NamedArrays):
        return InputStages({name: input_stage_for(array) for name, array in x.items()})
    return input_stage_for(x)
