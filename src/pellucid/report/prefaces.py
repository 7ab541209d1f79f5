"""What stands in front of the report's chapters. Paragraphs are apart by an empty line; indented ones are formulas."""

from __future__ import annotations

PREFACES: dict[str, str] = {
    "The results of the report": """
Two students wrote a library from scratch, trained two networks on MNIST's handwritten digits, and reported what came
out. This chapter runs their experiments again, with their settings where they give them, and puts their numbers beside ours.
Where they left a section empty, the one on convolution, its results are measured here. The last experiment trains
the network of another course, of which the slides tell the number of parameters and most settings.

Training, validation and test set are 55,000, 5,000 and 10,000 digits. The validation digits are drawn from MNIST's training
digits, with the classes in proportion; no network learns to read from them, and no recipe was chosen with the test digits
in sight.
""",
    "Neurons and functions": """
A neuron computes a weighted sum of its inputs, adds a bias, and bends the result. One alone can only draw a straight border;
the experiments here look at what many of them can represent, before asking how they come to represent it. The last one walks
down a function of two numbers, as learning walks down a cost of very many.
""",
    "Learning": """
Learning means to walk down a cost. With C the mean cost over N samples and θ all weights and biases, gradient descent repeats

    θ ← θ − η ∂C/∂θ

The gradient comes by the chain rule, from the last layer to the first: each layer is given dC/dY, the derivative of the cost
with respect to what it put out, and hands on dC/dX, with respect to what it was given. On the way it notes the derivatives
with respect to its own parameters. One pass back costs about twice a pass forward, whatever the number of parameters; that is
the reason why networks can be trained at all.
""",
    "Depth": """
A deep network is a long product. Forward, each layer multiplies the signal's variance by some factor; backward, each
multiplies the gradient's. With a factor f and d layers there is f to the power of d left at the other end: of 0.5 and 20
layers a millionth, of 1.5 three thousand times. The remedies keep the factor near 1: functions that do not saturate, weights
drawn with the right variance, normalization in between, and shortcuts around.
""",
    "Generalizing": """
What a network makes of digits it has learned from says little: with enough parameters it can know them by heart, whatever
their labels. What counts is the error on digits it has never seen. The two differ by a gap, and this chapter is about what
opens the gap (many parameters, few or wrong labels, long training) and what closes it (stopping early, penalties, dropout).
""",
    "Architecture": """
This chapter is about the shape of networks, and first about the one that pictures ask for: the convolutional network, whose
chapter in the students' report remained a heading. The experiments then ask how many units and layers there should be, what
a convolution gains, how many weights are needed, and how this library does beside others.

**From dense to convolutional.** A picture has height, width and channels (h, w, c). A dense layer unfolds it to h·w·c numbers
and gives every unit a weight for each. Two things that everybody knows of pictures are lost by that: that neighbouring pixels
belong together, and that a stroke is the same stroke elsewhere. A convolution puts both in. A unit looks at a small window
only, and units at all places share their weights:

    y[i, j, o] = b[o] + Σ over u, v, c of  x[i + u, j + v, c] · W[u, v, c, o]

for each filter o and all places (u, v) of a window of k × k. (Strictly this is a cross-correlation; a convolution would run
through the window backwards, which a learned window does not notice.) A filter has k·k·c weights and one bias, whatever the
picture's size; He's first weights have a variance of 2/(k·k·c), for so many numbers go into each sum. A filter's output over
all places is a map of where its pattern is found. Behind the layer stands a function that bends, mostly ReLU, as everywhere.

**Sizes.** Without padding the window fits h − k + 1 times into the height. With p rows of zeros added in all, and only every
s-th place taken, there remain

    ⌊(h + p − k)/s⌋ + 1

rows, and columns alike. "Same" padding chooses p = k − 1, so that a stride of 1 keeps the size. Behind a second layer of k × k
a unit sees 2k − 1 pixels across, and behind a pool that halves the maps every further place counts double: the field of view
grows with depth, from strokes to parts to digits.

**What moves along.** Where the picture moves by one pixel, so do the maps: shifting and convolving may be exchanged (but for
the border). This is equivariance, and it is why a pattern has to be learned only once. A dense layer has to learn it for each
place.

**The gradients.** Write dy for ∂C/∂y, dW for ∂C/∂W and so on. Each weight serves at every place, so its derivative is a sum
over all places (and over the pictures of a batch); each pixel serves in every window that covers it, so its derivative is a
sum over these. For a stride of 1, with dy taken as 0 outside the map:

    dW[u, v, c, o] = Σ over i, j  x[i + u, j + v, c] · dy[i, j, o]
    db[o]          = Σ over i, j  dy[i, j, o]
    dx[m, n, c]    = Σ over u, v, o  dy[m − u, n − v, o] · W[u, v, c, o]

The first is a convolution of the input with dy, the last one of dy, padded, with the window turned by half a turn. So the way
back is made of the same operation as the way forward. One of the experiments below computes these sums as they stand here,
and compares them with the library.

**Pooling.** A maximum over each 2 × 2 square keeps that a pattern is there and forgets where exactly; it quarters the work of
the layers behind it. Backward, the gradient goes to the place that had the maximum, the others get none: a change in them
would not have changed the output. An average hands each place its share.

**As matrices.** If the window's k·k·c numbers at each place are written as a row (the patches), a convolution is one product
of matrices, (places × k·k·c) by (k·k·c × o), and all that is known about fast products applies. For 3 × 3 windows there is
something better: Winograd's minimal filtering computes a tile of 4 × 4 outputs from a tile of 6 × 6 inputs with 36
multiplications for each pair of channels instead of 144, at the price of some additions before and after (Lavin and Gray,
2016). This library takes it for 3 × 3 windows of stride 1 with 16 channels and filters or more, and other ways elsewhere.

**Batch normalization** of maps takes mean and variance of each channel over the batch and all places, for a channel is one
feature, wherever it was found.

**A network of convolutions.** The one that stands for "with convolution" in the first chapter:

    layer                               output          parameters    multiplications
    the picture                         28 × 28 × 1
    16 filters of 5 × 5, ReLU           24 × 24 × 16           416            230,400
    maximum over 2 × 2                  12 × 12 × 16
    32 filters of 3 × 3, same, ReLU     12 × 12 × 32         4,640            663,552
    maximum over 2 × 2                   6 ×  6 × 32
    dense from 1,152 to 10, softmax               10        11,530             11,520
    in all                                                  16,586            905,472

A layer has (k·k·c + 1)·o parameters and takes k·k·c·o multiplications at each place. A unit in front of the dense layer sees
12 × 12 pixels. The network without convolution, 784-256-256-10, has 269,322 parameters and takes 268,800 multiplications: a
convolution has few numbers and uses each of them often.

**Results.** All are of full runs on MNIST, medians over seeds; tables with ranges stand with the experiments.

With or without: trained alike, with Adam over eight epochs, the network without convolution reads 98.4 % of the test digits
and the convolutional one 99.1 % (three seeds): of the errors nearly half are gone, with a sixteenth of the parameters and
more than three times the multiplications. Of validation digits that are moved to the right by three pixels the first reads
59 %, the second 91 %. That it loses any is due to its end: the dense layer has a weight for each place again.

With few examples: of 100 digits a dense layer learns to read 74 %, one convolution 78 %; of 10,000 it is 95 % against 97 %.

With all that helps: by the students' own recipe, gradient descent, their network reads 97.6 % (five seeds). A convolutional
one of four layers with batch normalization, which still has no more than 38,698 parameters, reads 99.4 % after six epochs
(three seeds), and 99.6 % after twelve in which the training digits are shifted, turned and slanted a little (five seeds).
""",
    "What a network sees": """
A network with 99 % of the digits right may be right for other reasons than we think. The experiments here open it: what each
layer makes of a digit, which pixels and which lines between units carry an answer, how a planted watermark is found out, and
how little a digit must be changed to be taken for another.
""",
    "Other ways to learn": """
So far a teacher named the right answer to each digit, and a network gave it. Neither is necessary: a network can look for
groups of digits that nobody named, and trees can learn from names without any gradient.
""",
}
