"""ONNX Runtime, which only predicts. PyTorch's own exporter writes the network."""

from __future__ import annotations

import io
from typing import Any

import onnxruntime
import torch
from torch import nn

from benchmarks.contenders.conv.torch import LAYOUT, build_model, tensor
from benchmarks.jobs import Job, fastest_combination
from benchmarks.network_jobs import chunk_sizes, concatenated, in_chunks, inputs, matches_reference, predict_job

PACKAGES = ("onnxruntime", "onnx", "onnxscript", "torch")


def describe() -> dict[str, Any]:
    """Return the build; ONNX Runtime chooses the threads."""
    return {"build": onnxruntime.get_build_info()}


def session(network: str, samples: int) -> Any:
    """Return a session for that many samples at a time, with all optimizations, which is the default."""
    model = build_model(network, LAYOUT, nn.Softmax(dim=1)).eval()
    program = torch.onnx.export(model, (tensor(inputs(samples), LAYOUT),), dynamo=True, verbose=False)
    assert program is not None
    file = io.BytesIO()
    program.save(file)
    return onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])


def predict(network: str, samples: int) -> Job:
    """Return the fastest job of several variants.

    They are ``run``, and ``run_with_iobinding`` on the library's own arrays; all samples at once or in chunks.
    """

    def make(mode: bool, chunk: int) -> Job:
        x = inputs(samples)
        parts = in_chunks(x.reshape(samples, 1, *x.shape[1:3]), chunk)
        model = session(network, chunk)
        name, result = model.get_inputs()[0].name, model.get_outputs()[0].name
        if not mode:
            check = matches_reference(network, samples, concatenated())
            return predict_job(lambda part: model.run([result], {name: part})[0], parts, check)

        def bound(part: Any) -> Any:
            binding = model.io_binding()
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(part))
            binding.bind_ortvalue_output(result, onnxruntime.OrtValue.ortvalue_from_shape_and_type([len(part), 10], "float32"))
            return binding

        def run(binding: Any) -> Any:
            model.run_with_iobinding(binding)
            return binding

        check = matches_reference(network, samples, concatenated(lambda binding: binding.copy_outputs_to_cpu()[0]))
        return predict_job(run, list(map(bound, parts)), check)

    return fastest_combination(make, mode={"run": False, "run_with_iobinding": True}, chunk=chunk_sizes(samples))
