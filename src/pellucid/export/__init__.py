"""Export of trained networks: ONNX files, and readable Python programs that need NumPy alone."""
