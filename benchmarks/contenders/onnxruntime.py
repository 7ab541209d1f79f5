"""ONNX Runtime, which only predicts. PyTorch's own exporter writes the network."""

from __future__ import annotations

import io
from typing import Any

import onnxruntime
import torch
from torch import nn

from benchmarks import data
from benchmarks.contenders.torch import network
from benchmarks.jobs import Job, are_probabilities, fastest

__all__ = ["PACKAGES", "describe", "predict", "session"]

PACKAGES = ("onnxruntime", "onnx", "onnxscript", "torch")


def describe() -> dict[str, Any]:
    """Return the build and the threads; 0 means that ONNX Runtime decides."""
    return {"build": onnxruntime.get_build_info(), "intra_op_threads": onnxruntime.SessionOptions().intra_op_num_threads}


def session(model: nn.Module, example: Any) -> Any:
    """Return a session for inputs like the example, with all optimizations, which is the default."""
    program = torch.onnx.export(model.eval(), (example,), dynamo=True, verbose=False)
    assert program is not None
    file = io.BytesIO()
    program.save(file)
    return onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])


def predict(samples: int) -> Job:
    """Return the faster job of ``run``, and ``run_with_iobinding`` on the library's own arrays."""
    x = data.inputs(samples)
    model = session(network(nn.Softmax(dim=1)), torch.from_numpy(x))
    name, result = model.get_inputs()[0].name, model.get_outputs()[0].name

    def bound() -> Job:
        binding = model.io_binding()
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(x))
        binding.bind_ortvalue_output(result, onnxruntime.OrtValue.ortvalue_from_shape_and_type([samples, 10], "float32"))

        def run() -> Any:
            model.run_with_iobinding(binding)
            return binding

        return Job(run, are_probabilities(samples, lambda binding: binding.copy_outputs_to_cpu()[0]))

    return fastest(
        {
            "run": lambda: Job(lambda: model.run([result], {name: x})[0], are_probabilities(samples)),
            "run_with_iobinding": bound,
        }
    )
