"""ONNX: the network as a graph of operators that other runtimes know."""

from pellucid.export.onnx.file import onnx_bytes, to_onnx
from pellucid.export.onnx.graph import Graph, Value

__all__ = ["Graph", "Value", "onnx_bytes", "to_onnx"]
