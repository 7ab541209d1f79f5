"""The kinds of findings on data: what is measured, the threshold with its reason, and what to try.

A threshold is chosen so that data sets that train well have no finding (the sources of Pellucid; iris, wine, breast cancer,
digits and diabetes of scikit-learn), and so that the symptom, where it is found, changes what a network learns. The numbers at
the end limit what is read.
"""

from __future__ import annotations

from pellucid.doctor.kinds import Kind

_STANDARDIZE = (
    "Standardize the columns: from_arrays(x, y, names=…) does so with the figures of the training set, as pellucid train does "
    "for tables; or put BatchNorm() or LayerNorm() first."
)

NAN_IN_DATA = Kind(
    "nan-in-data",
    "the number of samples whose inputs or targets contain NaN or infinity",
    0,
    "one such value makes all parameters NaN, so fit refuses it",
    "Leave these samples out, or fill the gaps; in tables they are values of their own with missing='value' (--missing value).",
)
CONSTANT_INPUTS = Kind(
    "constant-inputs",
    "the share of the pixels or columns that have one value in all training samples",
    0.9,
    "even of 450 digits, which have a wide border, only 40 % of the pixels are constant",
    "Look at some samples (pellucid data show): were they read, cut or scaled wrongly?",
)
CONSTANT_TARGET = Kind(
    "constant-target",
    "the number of different targets in the training set",
    1,
    "there is nothing to learn",
    "Look at the targets. Files are often sorted by class: split them with data.splits(…), which shuffles.",
)
SHARED_SAMPLES = Kind(
    "shared-samples",
    "the share of the samples of a part that are identical to a training sample; at least three",
    0.01,
    "with more, the score of the part is visibly too good; single repetitions, as in iris, do no harm",
    "Remove repetitions before the data is split: the scores of this part say less about new samples than they seem to.",
)
LEAKED_TARGET = Kind(
    "leaked-target",
    "the error that is left when the target is predicted by one column alone (by the nearest value), divided by that of a "
    "constant prediction",
    0.005,
    "measurements have more noise; and no column has leaked if another one leaves less than 10 %: then the problem is easy",
    "Is the column known before the target is? If not, leave it out (--ignore). The number of a row leaks where files are "
    "sorted by class.",
)
MISSING_CLASS = Kind(
    "missing-class",
    "the number of classes without a sample in a part; in validation and test sets, those with 7 expected samples or more",
    0,
    "if 7 are expected, none has a probability of 0.1 %; a network cannot learn a class without training samples",
    "Split the data by class (data.splits(…) does so), add samples of the class, or remove it from the classes.",
)
CONTRADICTING_LABELS = Kind(
    "contradicting-labels",
    "the number of training samples that are identical to another one with a different target",
    1,
    "at least one of the targets is wrong, or a column is missing that tells the samples apart",
    "Correct the targets, or leave these samples out.",
)
WRONG_LABELS = Kind(
    "wrong-labels",
    "the share of the errors of networks, which have not seen the sample, in which they are sure of another class: surer than "
    "of 30 % of the samples with that prediction, or with 80 % of the probability while less than 5 % is left for the label",
    0.2,
    "without wrong labels it is 16 to 20 % on MNIST, because networks mostly err where they are unsure; chance counts, too",
    "Look at these samples, and correct their labels or leave them out. The first are the most probable.",
)
TARGET_OUTLIERS = Kind(
    "target-outliers",
    "the distance of a training target to the ordinary ones, in units of their whole range",
    3.0,
    "long tails have no such gaps; a squared error of such targets outweighs all others",
    "Correct the targets or leave the samples out; if they are right, train with Huber(), or on the logarithm.",
)
OUTLIERS = Kind(
    "outliers",
    "the distance of a value to the ordinary values of its column, in units of their whole range",
    3.0,
    "long tails have no such gaps; standardized with such a value, all others are nearly equal",
    "Correct the values or leave the samples out: is it a code for a missing value, or another unit? If they are right, take "
    "the logarithm.",
)
WILD_SCALES = Kind(
    "wild-scales",
    "the scale of the column that varies most, divided by that of the column that varies least, where nothing standardizes",
    100.0,
    "gradient descent learns from the smaller one 100² times more slowly (LeCun et al., Efficient BackProp, 1998)",
    _STANDARDIZE,
)
OFFSET_INPUTS = Kind(
    "offset-inputs",
    "the median of a column in units of its scale, such as that of a year, where nothing standardizes",
    50.0,
    "the first layer sees a constant, and what varies is 2 % of it",
    _STANDARDIZE,
)
LARGE_INPUTS = Kind(
    "large-inputs",
    "the root mean square of all values as the network reads them, where nothing standardizes",
    30.0,
    "initial weights suit values around 1; values from 0 to 16, with 7.8, train well, and bytes as floats have about 80",
    "Give images as bytes (uint8), which are divided by 255. " + _STANDARDIZE,
)
TINY_INPUTS = Kind(
    "tiny-inputs",
    "the root mean square of all values as the network reads them, where nothing standardizes",
    0.005,
    "the gradients of the first layer are 200 times too small; dark images have about 0.05",
    "Give values of 0 and 1 as float32, because bytes are divided by 255; else multiply the values by a constant.",
)
BLANK_SAMPLES = Kind(
    "blank-samples",
    "the share of the training images that have the same value at all pixels; at least three",
    0.01,
    "a few do no harm; more are files that were not read rightly",
    "Leave them out, or read their files again.",
)
SHIFTED_TARGETS = Kind(
    "shifted-targets",
    "half the sum of the differences between the class shares of a part and of the training set; for numbers, the "
    "Kolmogorov-Smirnov distance",
    0.2,
    "a fifth of the samples would need other targets; the distance has to be larger than chance explains, too",
    "Shuffle the data before it is split, stratified by class (data.splits(…)), or weight the classes as they are in use.",
)
SHIFTED_INPUTS = Kind(
    "shifted-inputs",
    "the Kolmogorov-Smirnov distance between a column in a part and in the training set; of images, that of the mean and the "
    "standard deviation of an image",
    0.25,
    "a quarter of the samples has moved; the distance has to be larger than chance explains, too (probability 1e-4)",
    "Shuffle the data before it is split, or collect training data like that of use.",
)
REPEATED_SAMPLES = Kind(
    "repeated-samples",
    "the share of the training samples that are identical to an earlier one; at least three",
    0.02,
    "single repetitions, as in iris, do no harm; more of them count several times, and reach other parts in a split",
    "Leave the repetitions out before the data is split, or give one of them a weight (sample_weight).",
)
FEW_SAMPLES = Kind(
    "few-samples",
    "the number of training samples of a class",
    5,
    "the usual tenth of them, as validation part, would be none",
    "Add samples, join classes, or start from a trained network (--from).",
)
UNEQUAL_CLASSES = Kind(
    "unequal-classes",
    "the number of training samples of the largest class, divided by that of the smallest",
    10.0,
    "a network that ignores the smallest class loses little accuracy",
    "Weight the classes: class_weight='balanced' (--class-weight balanced), and look at the recall of each class instead of "
    "the accuracy.",
)
MOSTLY_MISSING = Kind(
    "mostly-missing",
    "the share of the values of a column that are missing in the training set",
    0.5,
    "then the mean that replaces them is what the network mostly sees",
    "Leave the column out (--ignore), or fill its gaps with what is known about them.",
)
CONSTANT_COLUMN = Kind(
    "constant-column",
    "the number of columns with one value in all training samples; those at the lower limit of most other columns do not count",
    0,
    "it cannot help, and another value in new data does harm; pixels and counts that are always 0 are usual",
    "Leave it out.",
)
SAME_COLUMN = Kind(
    "same-column",
    "the correlation between two columns, without its sign",
    1 - 1e-6,
    "columns in two units differ by rounding only; the radius and the perimeter of cells have 0.998",
    "Leave one of them out (--ignore): it tells the network nothing, and attributions are shared between the two.",
)

DATA_KINDS = {  # the most serious first
    kind.name: kind
    for kind in (
        NAN_IN_DATA,
        CONSTANT_INPUTS,
        CONSTANT_TARGET,
        SHARED_SAMPLES,
        LEAKED_TARGET,
        MISSING_CLASS,
        CONTRADICTING_LABELS,
        WRONG_LABELS,
        TARGET_OUTLIERS,
        OUTLIERS,
        WILD_SCALES,
        OFFSET_INPUTS,
        LARGE_INPUTS,
        TINY_INPUTS,
        BLANK_SAMPLES,
        SHIFTED_TARGETS,
        SHIFTED_INPUTS,
        REPEATED_SAMPLES,
        FEW_SAMPLES,
        UNEQUAL_CLASSES,
        MOSTLY_MISSING,
        CONSTANT_COLUMN,
        SAME_COLUMN,
    )
}

FEW = 3  # samples: a finding on repetitions or blank images has at least as many
BY_CHANCE = 20.0  # times as many repetitions as independent columns have by chance: tables of few categories have many
OUTLIER_SHARE = 0.01  # of the values may be outliers, on each side; more are a second group
OUTLIER_LOG_GAP = 0.5  # the same distance on a logarithmic scale
OUTLIER_MIN_VALUES = 30  # of a column: fewer have no ordinary range
EASY_ERROR = 0.1  # of the error of a constant prediction, left by another column than the leaking one
LEAK_MIN_COLUMNS = 3  # with two, one that tells the classes apart is the problem itself
LEAK_MIN_ROWS = 50  # any column tells fewer apart
EXPECTED_IN_PART = 7.0  # samples of a class
SHIFT_PROBABILITY = 1e-4  # of so large a distance by chance, all columns together

MAX_VALUES = 8_000_000  # of an input that are read for the statistics of columns: 64 MB in float64
MAX_ROWS = 4_000  # that are searched for leaks, shifts and copies: more change no conclusion, and every column is sorted
MAX_COLUMNS = 2_000  # that are searched for leaks, shifts and copies: wider samples are signals or images
LISTED = 6  # names in the text of a finding
LISTED_SAMPLES = 100  # indices in a finding
