"""The chapters of the report, and the order in which experiments are read there; one that is not named here comes last."""

CHAPTERS: dict[str, tuple[str, ...]] = {
    "The results of the report": (
        "the-reports-first-network",
        "the-reports-good-fit",
        "small-batches-overfit",
        "batches-are-faster",
        "with-or-without-convolution",
        "dive-three-layers",
    ),
    "Neurons and functions": (
        "which-activations-saturate",
        "the-perceptron-ends-or-never-does",
        "xor-needs-a-bend",
        "which-model-separates-what",
        "any-function-from-one-hidden-layer",
        "a-network-is-its-layers-in-turn",
        "downhill-along-the-gradient",
    ),
    "Learning": (
        "cross-entropy-is-likelihood",
        "backpropagation-by-hand",
        "backpropagation-in-any-graph",
        "perturbing-weights-costs-passes",
        "batch-or-stochastic-descent",
        "learning-rates-too-low-and-too-high",
        "clipping-at-the-cliff",
        "starts-end-in-different-minima",
    ),
    "Depth": (
        "deep-gradients-vanish-or-explode",
        "first-weights-decide",
        "batch-norm-lets-deep-sigmoids-learn",
    ),
    "Generalizing": (
        "errors-by-complexity",
        "when-learning-turns-to-knowing-by-heart",
        "penalties-on-weights",
        "dropout-is-an-average",
        "labels-at-random",
        "more-parameters-than-samples",
        "how-sure-is-it-rightly",
    ),
    "Architecture": (
        "hidden-units-and-learning-rate",
        "what-convolution-shares",
        "most-weights-can-go",
        "beside-other-libraries",
    ),
    "What a network sees": (
        "layers-pull-classes-apart",
        "which-pixels-speak-for-a-digit",
        "a-few-lines-carry-the-answer",
        "a-watermark-gives-itself-away",
        "little-changes-that-fool",
    ),
    "Other ways to learn": ("groups-without-labels",),
}
