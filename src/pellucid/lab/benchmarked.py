"""What the project's benchmarks measured of other libraries, which the lab does not run: with machine and date."""

# Of the benchmark "energy": 784-256-256-10, Adam, batches of 100, 3 epochs of 55,000 digits, from the start of the process.
STORED_AT = "2026-11-21, two cores of an Intel Xeon (Cascade Lake), medians of three seeds"
STORED = {  # test accuracy, seconds, joules, mg of CO₂ (both estimated; the ranges are in docs/benchmarks.md)
    "Pellucid": (0.9761, 3.8, 96.0, 13.0),
    "PyTorch": (0.9762, 7.6, 190, 25.7),
    "JAX": (0.9714, 4.5, 113, 15.3),
    "Keras (TensorFlow)": (0.9713, 12.4, 282, 38.3),
    "scikit-learn": (0.9754, 10.7, 289, 39.2),
}
