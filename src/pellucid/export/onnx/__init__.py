"""Export to ONNX: the network as a graph of operators that other runtimes execute."""
