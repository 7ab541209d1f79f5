"""The ONNX file: input stage, layers and class names, checked with onnx.checker before it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.files import write_atomically
from pellucid.core.memory import Shape
from pellucid.core.version import __version__
from pellucid.data.input_stage import ImageScaling, InputStage, Passthrough, Scaling
from pellucid.data.tables.columns import Standardization, TableStage
from pellucid.data.tables.robust_scaling import RobustScaling
from pellucid.data.text import CharacterTokenizer, Tokens
from pellucid.errors import ConfigError
from pellucid.export.layers import find_emitter
from pellucid.export.onnx.basics import OnnxEmitter
from pellucid.export.onnx.graph import FLOAT, Graph, Value
from pellucid.export.onnx.past import TIME, Axes, past_of
from pellucid.export.trained_network import TrainedNetwork
from pellucid.layers import Embedding
from pellucid.networks.ports import OUTPUT

OPSET = 17  # June 2022, the first with LayerNormalization; supported by current runtimes
IR_VERSION = 8  # the file format released with opset 17
BATCH = "batch"
_MAX_WEIGHT_BYTES = 2**31 - 2**20  # the limit of a protocol buffer, less 1 MiB for the graph


def to_onnx(
    path: str | Path, trained: TrainedNetwork, layers: Mapping[type, OnnxEmitter] | None = None, *, cache: bool = False
) -> None:
    """Write an ONNX file that computes predictions.

    With ``cache``, the file reads sequences in any number of passes: what the layers remember of earlier positions is among its
    inputs and outputs (:mod:`pellucid.export.onnx.past`).

    ``layers`` maps your own layer classes to functions that add their operators: ``(graph, layer, p, *inputs) -> output``,
    where inputs and output are :class:`~pellucid.export.onnx.graph.Value` objects and ``p`` holds the arrays of the layer by
    slot name. With ``cache``, the function of a layer that remembers something calls ``graph.past.read`` and
    ``graph.past.keep``.

    Raises ConfigError for a layer class without such a function, for weights of more than 2 GiB, with ``cache`` for a network
    that cannot read a sequence in several passes, and if the package onnx is not installed; FileError if the file cannot be
    written.
    """
    write_atomically(path, [onnx_bytes(trained, layers, cache=cache)])


def onnx_bytes(trained: TrainedNetwork, layers: Mapping[type, OnnxEmitter] | None = None, *, cache: bool = False) -> bytes:
    """Return the content of the ONNX file. Raises the ConfigErrors of :func:`to_onnx`."""
    try:
        import onnx
    except ImportError:
        raise ConfigError("writing ONNX files needs the package onnx: pip install 'pellucid[onnx]'") from None
    graph, dtypes = build_graph(trained, layers or {}, cache=cache)
    past = graph.past
    if (size := sum(array.nbytes for array in graph.constants.values())) > _MAX_WEIGHT_BYTES:
        raise ConfigError(f"the weights take {size:,} bytes, but an ONNX file can hold 2 GiB; export_numpy() has no such limit")
    descriptions = {
        name: f"{stage.expects}, (n, {', '.join(map(str, _axes(shape, cache)))})"
        for name, (shape, stage) in trained.inputs.items()
    }
    inputs = [
        _tensor_info(name, dtypes[name], _axes(shape, cache), descriptions[name]) for name, (shape, _) in trained.inputs.items()
    ]
    outputs = [
        _tensor_info(name, np.float32, _axes(shape, cache and len(shape) > 1), "what Model.predict returns, one row per sample")
        for name, shape in trained.outputs.items()
    ]
    if past is not None:
        inputs += [_tensor_info(name, *declared) for name, declared in past.inputs.items()]
        outputs += [_tensor_info(name, *declared) for name, declared in past.outputs.items()]
    onnx_graph = onnx.helper.make_graph(
        _nodes(graph),
        "network",
        inputs,
        outputs,
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = onnx.helper.make_model(
        onnx_graph,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="pellucid",
        producer_version=__version__,
    )
    properties = dict(descriptions)
    for name, (_, stage) in trained.inputs.items():
        if isinstance(stage, TableStage):
            properties["columns" if len(descriptions) == 1 else f"columns of {name}"] = json.dumps(stage.names)
        if isinstance(stage, Tokens) and isinstance(stage.tokenizer, CharacterTokenizer):
            properties["vocabulary"] = json.dumps(stage.tokenizer.vocabulary)
    if trained.classes is not None:
        properties["classes"] = json.dumps(trained.classes)
    if past is not None:
        properties["window"] = str(past.window)
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def build_graph(
    trained: TrainedNetwork, layers: Mapping[type, OnnxEmitter], *, cache: bool = False
) -> tuple[Graph, dict[str, type]]:
    """Return the graph from inputs to outputs, and the NumPy dtype of each input."""
    steps, outputs = trained.steps()
    if OUTPUT in trained.inputs and OUTPUT in outputs:
        raise ConfigError(
            f"export_onnx: the file calls the only output of a network {OUTPUT!r}, which is the name of an input here: give "
            "the input another name"
        )
    graph = Graph([*trained.inputs, *trained.outputs])
    graph.past = past = past_of(graph, trained) if cache else None
    dtypes: dict[str, type] = {}
    values: dict[str, Value] = {}
    for name, (shape, stage) in trained.inputs.items():
        dtype, values[name] = _add_input_stage(graph, name, stage, shape, alone=len(trained.inputs) == 1)
        first_layers = [step.layer for step in steps if name in step.reads]
        tokens = dtype is np.float32 and first_layers and all(isinstance(layer, Embedding) for layer in first_layers)
        dtypes[name] = np.int64 if tokens else dtype  # token indices are integers
    exported: set[str] = set()
    for step in steps:
        emit = find_emitter("onnx", step.layer, layers)
        graph.path, graph.slots = step.name, step.slots or step.name
        graph.shared = graph.slots in exported
        exported.add(graph.slots)
        y = emit(graph, step.layer, step.arrays, *(values[name] for name in step.reads))
        if not isinstance(y, Value) or y.shape != step.shape:
            raise ConfigError(
                f"{step.name}: the ONNX function of {step.layer} returns a value of shape {getattr(y, 'shape', y)} per sample, "
                f"but the layer has the output shape {step.shape}; pass graph.op(…, shape=…)"
            )
        if past is not None and not step.layer.positionwise and type(step.layer) in layers and step.name not in past.users:
            raise ConfigError(
                f"export_onnx(cache=True): {step.name}, {step.layer}, depends on earlier positions, but its ONNX function "
                "does not read them: where graph.past is not None, call graph.past.read(part, axes, extended) for what the "
                "layer remembers, and graph.past.keep(part, value) for what it will remember in the next pass"
            )
        values[step.path] = y
    graph.shared = False
    ends: dict[str, Value | str] = {name: values[path] for name, path in outputs.items()}
    if past is not None:
        ends |= past.ends()
    graph.set_outputs(ends, [*trained.inputs, *(past.inputs if past is not None else ())])
    return graph, dtypes


def _add_input_stage(graph: Graph, name: str, stage: InputStage, shape: Shape, *, alone: bool) -> tuple[type, Value]:
    """Add the operators of the input stage. Return the NumPy dtype of the input, and the value that the network reads.

    ``alone`` is true for the only input, whose name the operators do not need.
    """
    graph.path = graph.slots = "stage" if alone else f"stage.{name}"
    x = graph.value(name, shape)
    if isinstance(stage, ImageScaling):
        return np.uint8, graph.elementwise("Mul", graph.op("Cast", x, to=FLOAT), stage.factor)
    if isinstance(stage, (Passthrough, Tokens)):
        return np.float32, x
    if isinstance(stage, Scaling):
        return np.float32, graph.elementwise("Mul", x, 1 / stage.scale)
    if isinstance(stage, Standardization):  # in float64 as in predict: a timestamp is large compared with its spread
        mean, scale = (graph.constant(key, getattr(stage, key), np.float64) for key in ("mean", "scale"))
        if stage.missing == "mean":
            missing = graph.op("IsNaN", x)
            x = graph.op("Where", missing, mean, x)
        return np.float64, graph.op("Cast", graph.op("Div", graph.op("Sub", x, mean), scale), to=FLOAT)
    if isinstance(stage, RobustScaling):  # in float64 as well
        center, scale = (graph.constant(key, getattr(stage, key), np.float64) for key in ("center", "scale"))
        if stage.fills_missing:
            x = graph.op("Where", graph.op("IsNaN", x), center, x)
        z = graph.op("Div", graph.op("Sub", x, center), scale)
        share = graph.op(
            "Div", z, graph.constant("limit", np.asarray(stage.limits), np.float64)
        )  # 0 for a value without a limit
        one = graph.constant("one", 1.0, np.float64)
        length = graph.op("Sqrt", graph.op("Add", one, graph.op("Mul", share, share)))
        return np.float64, graph.op("Cast", graph.op("Div", z, length), to=FLOAT)
    raise ConfigError(f"export_onnx does not support the input stage {stage}")


def _axes(shape: Shape, sequence: bool) -> Axes:
    """Return the axes of an input or output, without the batch axis; of a ``sequence``, the first one has a free length."""
    return (TIME, *shape[1:]) if sequence else shape


def _tensor_info(name: str, dtype: type, axes: Axes, description: str = "") -> Any:
    """Return the ONNX declaration of an input or output with a free batch size."""
    import onnx

    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return onnx.helper.make_tensor_value_info(name, element, [BATCH, *axes], description)


def _nodes(graph: Graph) -> list[Any]:
    """Return the operations as ONNX nodes."""
    import onnx

    nodes = []
    for operation in graph.operations:
        attributes = {
            name: _loop_body(value) if isinstance(value, Graph) else value for name, value in operation.attributes.items()
        }
        node = onnx.helper.make_node(operation.operator, operation.inputs, operation.outputs, operation.name, **attributes)
        nodes.append(node)
    return nodes


def _loop_body(graph: Graph) -> Any:
    """Return the body of a loop as an ONNX graph."""
    import onnx

    ends = ([_tensor_info(name, np.float32, shape) for name, shape in names] for names in (graph.inputs, graph.outputs))
    return onnx.helper.make_graph(_nodes(graph), "step", *ends)
