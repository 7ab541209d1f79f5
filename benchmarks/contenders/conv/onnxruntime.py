"""ONNX Runtime, which only predicts: the network as PyTorch's own exporter writes it."""

from __future__ import annotations

import io
from typing import Any

import onnxruntime
import torch
from torch import nn

from benchmarks.contenders.conv.torch import LAYOUT, model, tensor
from benchmarks.jobs import Job, best_of
from benchmarks.learning import agrees, cut, inputs, joined, portions, predict_job

PACKAGES = ("onnxruntime", "onnx", "onnxscript", "torch")


def describe() -> dict[str, Any]:
    """What it computes on; the threads are its own choice."""
    return {"build": onnxruntime.get_build_info()}


def session(network: str, samples: int) -> Any:
    """A session for that many samples at a time, with all optimizations, which is the default."""
    made = model(network, LAYOUT, nn.Softmax(dim=1)).eval()
    program = torch.onnx.export(made, (tensor(inputs(samples), LAYOUT),), dynamo=True, verbose=False)
    assert program is not None
    file = io.BytesIO()
    program.save(file)
    return onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])


def predict(network: str, samples: int) -> Job:
    """The quickest of: ``run``, and ``run_with_iobinding`` on the library's own arrays; many samples at once or in portions."""

    def make(way: bool, portion: int) -> Job:
        x = inputs(samples)
        parts = cut(x.reshape(samples, 1, *x.shape[1:3]), portion)
        made = session(network, portion)
        name, result = made.get_inputs()[0].name, made.get_outputs()[0].name
        if not way:
            proof = agrees(network, samples, joined())
            return predict_job(lambda part: made.run([result], {name: part})[0], parts, proof)

        def bound(part: Any) -> Any:
            binding = made.io_binding()
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(part))
            binding.bind_ortvalue_output(result, onnxruntime.OrtValue.ortvalue_from_shape_and_type([len(part), 10], "float32"))
            return binding

        def run(binding: Any) -> Any:
            made.run_with_iobinding(binding)
            return binding

        proof = agrees(network, samples, joined(lambda binding: binding.copy_outputs_to_cpu()[0]))
        return predict_job(run, list(map(bound, parts)), proof)

    return best_of(make, way={"run": False, "run_with_iobinding": True}, portion=portions(samples))
