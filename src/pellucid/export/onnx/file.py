"""The ONNX file: input stage, layers, class names; checked by ONNX before it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.files import write_atomically
from pellucid.core.memory import Shape
from pellucid.core.version import __version__
from pellucid.data.input_stage import Bytes, InputStage, Numbers
from pellucid.data.tables.columns import Standardized
from pellucid.errors import ConfigError
from pellucid.export.onnx.graph import FLOAT, Graph, Value
from pellucid.export.onnx.layers import FORMS
from pellucid.export.onnx.vectors import Form
from pellucid.export.trained import Trained, form_of
from pellucid.layers import Embedding
from pellucid.networks.composite import INPUT

OPSET = 17  # of June 2022, the first with LayerNormalization: every runtime of the last years has it
IR_VERSION = 8  # the file format that came with it
BATCH = "batch"
_LARGEST = 2**31 - 2**20  # bytes: what a protocol buffer may hold, and room for the graph


def to_onnx(path: str | Path, trained: Trained, layers: Mapping[type, Form] | None = None) -> None:
    """Writes what predicts as an ONNX file. ``layers`` are the forms of classes that Pellucid has none for:
    ``(graph, layer, p, *inputs) -> output`` with :class:`~pellucid.export.onnx.graph.Value` for inputs and output.

    Raises ConfigError for a layer without a form, and where the package onnx is missing; FileError.
    """
    write_atomically(path, [onnx_bytes(trained, layers)])


def onnx_bytes(trained: Trained, layers: Mapping[type, Form] | None = None) -> bytes:
    """The content of the file."""
    try:
        import onnx
    except ImportError:
        raise ConfigError("ONNX files are written with the package onnx: pip install 'pellucid[onnx]'") from None
    graph, kind = assembled(trained, layers or {})
    if (size := sum(array.nbytes for array in graph.constants.values())) > _LARGEST:
        raise ConfigError(f"the weights take {size:,} bytes, and one ONNX file holds 2 GiB: export_numpy() has no such bound")
    stage, k = trained.input_stage, trained.output_shape
    about = f"{stage.wants}, (n, {', '.join(map(str, trained.input_shape))})"
    told = onnx.helper.make_graph(
        _nodes(graph),
        "network",
        [_array("input", kind, trained.input_shape, about)],
        [_array("output", np.float32, k, "what Model.predict gives, a row for each sample")],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = onnx.helper.make_model(
        told,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="pellucid",
        producer_version=__version__,
    )
    properties = {"input": about}
    if isinstance(stage, Standardized):
        properties["columns"] = json.dumps(stage.names)
    if trained.classes is not None:
        properties["classes"] = json.dumps(trained.classes)
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def assembled(trained: Trained, layers: Mapping[type, Form]) -> tuple[Graph, type]:
    """The graph from the input, of that type, to the output."""
    steps, end = trained.steps()
    graph = Graph()
    kind, x = _staged(graph, trained.input_stage, trained.input_shape)
    if kind is np.float32 and all(isinstance(step.layer, Embedding) for step in steps if INPUT in step.reads) and steps:
        kind = np.int64  # numbers that name things are whole, and people have them as such
    values = {INPUT: x}
    for step in steps:
        form = form_of(step.layer, FORMS, layers, "export_onnx")
        graph.path = step.name
        y = form(graph, step.layer, step.arrays, *(values[name] for name in step.reads))
        if not isinstance(y, Value) or y.shape != step.shape:
            raise ConfigError(
                f"{step.name}: the ONNX form of {step.layer} gives {getattr(y, 'shape', y)} a sample, the layer {step.shape}; "
                "name the shape, graph.op(…, shape=…)"
            )
        values[step.path] = y
    graph.end(values[end])
    return graph, kind


def _staged(graph: Graph, stage: InputStage, shape: Shape) -> tuple[type, Value]:
    """What the input is, as NumPy's type, and the samples as the network wants them."""
    graph.path = "stage"
    x = graph.value("input", shape)
    if isinstance(stage, Bytes):
        return np.uint8, graph.each("Mul", graph.op("Cast", x, to=FLOAT), stage.factor)
    if isinstance(stage, Numbers):
        return np.float32, x
    if isinstance(stage, Standardized):  # in float64 as in predict: a time stamp is large against its spread
        mean, spread = (graph.constant(name, getattr(stage, name), np.float64) for name in ("mean", "spread"))
        if stage.missing == "mean":
            gaps = graph.op("IsNaN", x)
            x = graph.op("Where", gaps, mean, x)
        return np.float64, graph.op("Cast", graph.op("Div", graph.op("Sub", x, mean), spread), to=FLOAT)
    raise ConfigError(f"export_onnx does not know the input stage {stage}")


def _array(name: str, kind: type, shape: Shape, about: str = "") -> Any:
    import onnx

    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    return onnx.helper.make_tensor_value_info(name, element, [BATCH, *shape], about)


def _nodes(graph: Graph) -> list[Any]:
    import onnx

    made = []
    for one in graph.operations:
        attributes = {name: _body(value) if isinstance(value, Graph) else value for name, value in one.attributes.items()}
        made.append(onnx.helper.make_node(one.operator, one.inputs, one.outputs, one.name, **attributes))
    return made


def _body(graph: Graph) -> Any:
    import onnx

    ends = ([_array(name, np.float32, shape) for name, shape in names] for names in (graph.inputs, graph.outputs))
    return onnx.helper.make_graph(_nodes(graph), "step", *ends)
