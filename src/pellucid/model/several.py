"""The settings of a model with several inputs or outputs: dictionaries by name, checked against the network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pellucid.core.config import NonNegative, validate
from pellucid.core.memory import Shape
from pellucid.data.input_stage import InputStage
from pellucid.data.input_stages import AnyStage, InputStages
from pellucid.data.tables.columns import TableStage
from pellucid.errors import ConfigError, DataError
from pellucid.layers.base import Layer
from pellucid.losses import Loss
from pellucid.losses.absent import NO_LOSS
from pellucid.losses.from_function import as_loss
from pellucid.model.compatibility import check_loss_and_network
from pellucid.networks.composite import ports_of
from pellucid.networks.ports import OUTPUT, by_name, check_known


def output_names(network: Layer) -> tuple[str, ...] | None:
    """Return the names of the outputs of a network that has several, else None."""
    ports = ports_of(network)
    return tuple(ports.outputs) if ports.outputs is not None and len(ports.outputs) > 1 else None


def input_names(network: Layer) -> tuple[str, ...] | None:
    """Return the names of the inputs of a network that has several, else None."""
    ports = ports_of(network)
    return ports.inputs if len(ports.inputs) > 1 else None


def refuse_several(network: Layer, what: str) -> None:
    """Raise ConfigError for a network with several inputs or outputs; ``what`` needs one of each."""
    ports = ports_of(network)
    if ports.several:
        counts = (
            f"{len(names)} {kind}{'s' * (len(names) > 1)}"
            for kind, names in (("input", ports.inputs), ("output", ports.outputs or (OUTPUT,)))
        )
        raise ConfigError(f"{what} needs a network with one input and one output; this one has {' and '.join(counts)}")


def refuse_lists(network: Layer, x: Any, y: Any = None, sample_weight: Any = None) -> None:
    """Raise DataError for lists of arrays, one for each input or output, in place of dictionaries by name."""
    lists = (list, tuple)
    if not (isinstance(x, lists) or isinstance(y, lists) or isinstance(sample_weight, lists)):
        return
    outputs = output_names(network)
    for what, given, names, kind in (
        ("x", x, input_names(network), "input"),
        ("y", y, outputs, "output"),
        ("sample_weight", sample_weight, outputs, "output"),
    ):
        one_each = names and isinstance(given, (list, tuple)) and len(given) == len(names)
        if names and one_each and all(hasattr(one, "__array__") or isinstance(one, list) for one in given):
            by_name(given, names, what, kind, DataError)


def checked_loss(loss: Any, network: Layer) -> tuple[Any, Any]:
    """Return the loss as the user gave it, and as training uses it; both are dictionaries if there are several outputs.

    Raises ConfigError where a loss does not fit the last layer of its output.
    """
    names = output_names(network)
    if names is None:
        if isinstance(loss, Mapping):
            raise ConfigError("loss is a dictionary, but the network has one output: give the loss alone")
        single: Loss | None = validate(as_loss(loss), Loss | None, "Model", "loss")
        check_loss_and_network(single or NO_LOSS, network)
        return single, single or NO_LOSS
    if loss is None:
        return None, dict.fromkeys(names, NO_LOSS)
    losses = {
        name: validate(as_loss(one), Loss, "Model", f"loss[{name!r}]")
        for name, one in by_name(loss, names, "loss", "output").items()
    }
    for name, one in losses.items():
        try:
            check_loss_and_network(one, network, name)
        except ConfigError as error:
            raise ConfigError(f"the output {name!r}: {error}") from None
    return losses, losses


def checked_loss_weights(weights: Any, network: Layer) -> dict[str, float] | None:
    """Return the weight of each loss by output, 1 by default; None for a network with one output. Raises ConfigError."""
    names = output_names(network)
    if names is None:
        if weights is not None:
            raise ConfigError("loss_weights is for networks with several outputs: here the learning rate has the same effect")
        return None
    if weights is None:
        weights = {}
    if not isinstance(weights, Mapping):
        raise ConfigError(f"loss_weights must be a dictionary by output, such as {{{names[0]!r}: 0.5}}, not {weights!r}")
    check_known(weights, names, "loss_weights", "output")
    complete = {name: validate(weights.get(name, 1.0), NonNegative, "Model", f"loss_weights[{name!r}]") for name in names}
    if not any(complete.values()):
        raise ConfigError("loss_weights are all 0, so nothing would be trained: give at least one output a weight")
    return complete


def checked_classes(classes: Any, shape: Any) -> Any:
    """Return the class names as a tuple, or by output where ``shape`` is a dictionary. Raises ConfigError."""
    if classes is None:
        return None
    if not isinstance(shape, Mapping):
        if isinstance(classes, Mapping):
            raise ConfigError("classes is a dictionary, but the network has one output: give the names alone")
        return _names(classes, shape, "")
    if not isinstance(classes, Mapping):
        raise ConfigError(f"classes must be a dictionary by output, such as {{{next(iter(shape))!r}: {classes!r}}}")
    check_known(classes, shape, "classes", "output")
    return {name: _names(names, shape[name], f" {name!r}") for name, names in classes.items()} or None


def _names(classes: Any, shape: Shape, where: str) -> tuple[str, ...]:
    if isinstance(classes, (str, bytes)) or not isinstance(classes, Collection):
        raise ConfigError(f"classes must be a list of names, one for each output{where}, got {classes!r}")
    if len(classes) != max(2, shape[-1]):
        raise ConfigError(f"{len(classes)} class names for {shape[-1]} outputs{where}")
    return tuple(str(name) for name in classes)


def checked_stage(stage: Any, network: Layer, shape: Any) -> AnyStage | None:
    """Return the input stage, or of several inputs those of all, for samples of ``shape``.

    Raises ConfigError, also for a stage for another number of values than the samples have.
    """
    names = input_names(network)
    if stage is None or (names is None and not isinstance(stage, Mapping)):
        single: InputStage | None = validate(stage, InputStage | None, "Model", "input_stage")
        if isinstance(single, TableStage):
            single.check_shape(shape)
        return single
    if names is None:
        raise ConfigError("input_stage is a dictionary, but the network has one input: give the stage alone")
    stages = InputStages(by_name(stage, names, "input_stage", "input"))
    for name, one in stages.items():
        if isinstance(one, TableStage):
            try:
                one.check_shape(shape[name])
            except ConfigError as error:
                raise ConfigError(f"the input {name!r}: {error}") from None
    return stages


def adopted_classes(known: Any, given: Any, output: Any) -> Any:
    """Return the class names of the model, ``known``, or where it has none those of the training data that fit.

    The outputs for losses that compare samples are not classes.
    """
    if isinstance(output.shape, dict):
        known, given = known or {}, given if isinstance(given, Mapping) else {}
        found = {name: adopted_classes(known.get(name), given.get(name), part) for name, part in output.parts.items()}
        return {name: names for name, names in found.items() if names is not None} or None
    if known is None and given is not None and not output.compares_samples and len(given) == output.class_count:
        return tuple(given)
    return known
