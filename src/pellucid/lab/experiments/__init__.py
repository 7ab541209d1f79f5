"""The experiments, one module each; an experiment's name is its module's name with hyphens instead of underscores.

:data:`CHAPTERS` lists the chapters of the report and the order of the experiments in each. An experiment that is not listed
comes last in its chapter.
"""

CHAPTERS: dict[str, tuple[str, ...]] = {
    "Results of the student report": (
        "report-first-network",
        "report-best-network",
        "batch-size-overfitting",
        "batch-size-speed",
        "dense-vs-convolutional",
        "three-layer-network",
    ),
    "Neurons and functions": (
        "activation-saturation",
        "perceptron",
        "xor",
        "decision-boundaries",
        "universal-approximation",
        "layer-composition",
        "gradient-descent",
    ),
    "Learning": (
        "maximum-likelihood",
        "backpropagation-equations",
        "backpropagation-in-graphs",
        "weight-perturbation",
        "stochastic-gradient-descent",
        "learning-rate",
        "gradient-clipping",
        "local-minima",
    ),
    "Depth": (
        "vanishing-gradients",
        "weight-initialization",
        "batch-normalization",
    ),
    "Generalization": (
        "model-complexity",
        "early-stopping",
        "weight-penalties",
        "dropout",
        "random-labels",
        "double-descent",
        "calibration",
    ),
    "Architecture": (
        "architecture-and-learning-rate",
        "weight-sharing",
        "lottery-ticket",
        "library-comparison",
    ),
    "What a network sees": (
        "learned-representations",
        "attributions",
        "network-state",
        "spurious-watermark",
        "adversarial-examples",
    ),
    "Attention and text": (
        "induction",
        "positions",
        "attention-scaling",
        "causal-mask",
        "context-length",
        "recurrent-or-attention",
        "scaling-law",
    ),
    "Other ways to learn": ("unsupervised-clustering",),
}
