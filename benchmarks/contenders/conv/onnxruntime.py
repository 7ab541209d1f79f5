"""ONNX Runtime, which only predicts. PyTorch's own exporter writes the network."""

from __future__ import annotations

from typing import Any

import onnxruntime
from torch import nn

from benchmarks.contenders.conv.torch import LAYOUT, build_model, tensor
from benchmarks.contenders.onnxruntime import PACKAGES, describe, session
from benchmarks.jobs import Job, fastest_combination
from benchmarks.network_jobs import chunk_sizes, concatenated, in_chunks, inputs, matches_reference, predict_job

__all__ = ["PACKAGES", "describe", "predict"]


def predict(network: str, samples: int) -> Job:
    """Return the fastest job of several variants.

    They are ``run``, and ``run_with_iobinding`` on the library's own arrays; all samples at once or in chunks.
    """

    def make(mode: bool, chunk: int) -> Job:
        x = inputs(samples)
        parts = in_chunks(x.reshape(samples, 1, *x.shape[1:3]), chunk)
        model = session(build_model(network, LAYOUT, nn.Softmax(dim=1)), tensor(inputs(chunk), LAYOUT))
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
