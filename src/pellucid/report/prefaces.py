"""The prefaces of the report's chapters. Paragraphs are separated by empty lines; indented paragraphs are formulas."""

from __future__ import annotations

PREFACES: dict[str, str] = {
    "Results of the student report": """
Two students wrote a library from scratch, trained two networks on the handwritten digits of MNIST, and reported the
results. This chapter repeats their experiments, with their settings where they state them, and compares the numbers. Their
section on convolution is empty; its results are measured here. The last experiment trains the network of another course,
whose slides give the number of parameters and most settings.

The training, validation and test sets have 55,000, 5,000 and 10,000 digits. The validation digits are drawn from MNIST's
training digits, with the classes in proportion. No network is trained on them, and no recipe was chosen with the test set.
""",
    "Neurons and functions": """
A neuron computes a weighted sum of its inputs, adds a bias, and applies a nonlinear function. The decision boundary of
a single neuron is a straight line. The experiments of this chapter examine what many neurons can represent; later
chapters examine how they learn it. In the last experiment, gradient descent minimizes a function of two variables, as
training minimizes the loss of a network, which is a function of very many.
""",
    "Learning": """
Learning is descent on a loss. With C the mean loss over N samples and θ all weights and biases, gradient descent repeats

    θ ← θ − η ∂C/∂θ

The chain rule gives the gradient, from the last layer to the first. Each layer receives the upstream gradient dC/dY, the
derivative of the loss with respect to its output, and returns dC/dX, the derivative with respect to its input. It also
computes the derivatives with respect to its own parameters. A backward pass costs about twice as much as a forward pass,
whatever the number of parameters. This makes it feasible to train networks.
""",
    "Depth": """
A deep network is a long product. In the forward pass, each layer multiplies the variance of the signal by some factor; in
the backward pass, each layer multiplies the gradient. With a factor f and d layers, the product is f to the power of d: one
millionth for 0.5 and 20 layers, three thousand for 1.5. The remedies keep the factor near 1: activations that do not
saturate, initial weights with the right variance, normalization between layers, and residual connections.
""",
    "Generalization": """
The error on the training set says little about a network: with enough parameters it can memorize the training digits,
whatever their labels. The error on unseen digits is what matters. This chapter is about the gap between the two errors:
what increases it (many parameters, few or wrong labels, long training) and what reduces it (early stopping, penalties,
dropout).
""",
    "Architecture": """
This chapter is about the structure of networks. It starts with convolutional networks, which suit images; the chapter on
them in the student report is only a heading. The experiments then examine how many units and layers to use, what a
convolution gains, how many weights are needed, and how this library compares with others.

**From dense to convolutional.** An image has a height, a width and channels (h, w, c). A dense layer flattens it to h·w·c
values and gives every unit a weight for each of them. This discards two well-known properties of images: neighbouring
pixels are related, and a stroke is the same stroke at any position. A convolution uses both. Each unit sees only a small
window, and the units at all positions share their weights:

    y[i, j, o] = b[o] + Σ over u, v, c of  x[i + u, j + v, c] · W[u, v, c, o]

for each filter o and all positions (u, v) in a window of k × k. (Strictly, this is a cross-correlation. A convolution would
reverse the window, which makes no difference for learned weights.) A filter has k·k·c weights and one bias, whatever the
size of the image. He initialization has a variance of 2/(k·k·c), because each sum has k·k·c terms. The outputs of a filter
at all positions are a map of where its pattern occurs. An activation follows, mostly ReLU.

**Sizes.** Without padding, the window has h − k + 1 positions along the height. With p rows of zeros added in total and a
stride of s, there are

    ⌊(h + p − k)/s⌋ + 1

rows, and the same holds for columns. "Same" padding has p = k − 1, so that a stride of 1 preserves the size. A unit in a
second layer of k × k sees 2k − 1 pixels across. Max pooling with a stride of 2 halves the maps, so each further position
covers twice the distance. The receptive field grows with depth: from strokes to parts to digits.

**Equivariance.** If the image shifts by one pixel, the maps shift by one pixel: shift and convolution can be exchanged
(except at the border). A pattern therefore has to be learned only once. A dense layer has to learn it for each position.

**Gradients.** Let dy be ∂C/∂y, dW be ∂C/∂W, and so on. Each weight is used at every position, so its derivative is a sum
over all positions (and over the images of a batch). Each pixel is used in every window that contains it, so its derivative
is a sum over these windows. For a stride of 1, with dy = 0 outside the map:

    dW[u, v, c, o] = Σ over i, j  x[i + u, j + v, c] · dy[i, j, o]
    db[o]          = Σ over i, j  dy[i, j, o]
    dx[m, n, c]    = Σ over u, v, o  dy[m − u, n − v, o] · W[u, v, c, o]

The first is a convolution of the input with dy. The last is a convolution of the padded dy with the window rotated by 180
degrees. The backward pass thus consists of the same operation as the forward pass. An experiment below computes these sums
and compares them with the library.

**Pooling.** The maximum over each 2 × 2 square keeps the information that a pattern is present and drops its exact
position; the work of the following layers falls to a quarter. In the backward pass the gradient goes to the position of the
maximum. The other positions get zero, because a small change in them would not have changed the output. Average pooling
distributes the gradient equally.

**As matrices.** If the k·k·c values of the window at each position are written as a row (im2col), a convolution is one
matrix product, (positions × k·k·c) by (k·k·c × o), and fast matrix multiplication applies. For 3 × 3 windows there is a
better method: Winograd's minimal filtering computes a tile of 4 × 4 outputs from a tile of 6 × 6 inputs with 36
multiplications per pair of channels instead of 144, at the cost of some additions before and after (Lavin and Gray, 2016).
This library uses it for 3 × 3 windows with a stride of 1 and at least 16 channels and filters, and other methods otherwise.

**Batch normalization** of maps computes mean and variance per channel over the batch and all positions, because a channel
is one feature at all positions.

**A convolutional network.** This is the convolutional network of the first chapter:

    layer                               output          parameters    multiplications
    image                               28 × 28 × 1
    16 filters of 5 × 5, ReLU           24 × 24 × 16           416            230,400
    maximum over 2 × 2                  12 × 12 × 16
    32 filters of 3 × 3, same, ReLU     12 × 12 × 32         4,640            663,552
    maximum over 2 × 2                   6 ×  6 × 32
    dense from 1,152 to 10, softmax               10        11,530             11,520
    total                                                   16,586            905,472

A layer has (k·k·c + 1)·o parameters and takes k·k·c·o multiplications per position. A unit before the dense layer sees 12 ×
12 pixels. The network without convolutions, 784-256-256-10, has 269,322 parameters and takes 268,800 multiplications. A
convolution has few parameters and uses each of them often.

**Results.** All results are from full runs on MNIST, medians over seeds. The tables of the experiments show the ranges.

Dense or convolutional: with the same training, Adam for eight epochs, the test accuracy is 98.4 % for the dense network
and 99.1 % for the convolutional one (three seeds). The convolutional network makes about 45 % fewer errors, with a
sixteenth of the parameters and more than three times the multiplications. On validation digits shifted to the right by
three pixels, the accuracy is 59 % for the dense network and 91 % for the convolutional one. The convolutional network
is limited by its last layer, which is dense and has a separate weight for each position.

Few examples: with 100 training digits the validation accuracy is 74 % for a dense layer and 78 % for one convolution; with
10,000 it is 95 % and 97 %.

All improvements together: with the students' own recipe, gradient descent, their network has a test accuracy of 97.6 %
(five seeds). A convolutional network of four layers with batch normalization, which has only 38,698 parameters, has 99.4 %
after six epochs (three seeds), and 99.6 % after twelve epochs in which the training digits are randomly shifted, rotated
and sheared a little (five seeds).
""",
    "What a network sees": """
A network with an accuracy of 99 % may be right for unexpected reasons. The experiments of this chapter look inside: how
each layer represents a digit, which pixels and which connections determine a prediction, how a planted watermark is
revealed, and how small a change makes a network misclassify a digit.
""",
    "Attention and text": """
A language model predicts the next token of a text from those before it. Its loss is the mean of −log p of the tokens that
follow, in nats; divided by log 2 it is in bits. A Transformer reads the earlier tokens by attention: each position compares a
query with the keys of all positions up to its own, and reads the mean of their values, weighted by the softmax of

    s_ij = q_i·k_j/√d      for j ≤ i

The first experiments examine the parts of this formula: what two layers of attention do together, what positions are for,
why there is a √d, and what j ≤ i keeps out. The others measure language models on the plays of Shakespeare, a million
characters. They are small, from 500 to 100,000 parameters, and are trained for hundreds or thousands of steps, so that all
of them together take minutes. Each run trains on characters that it draws from the first 85 % of the text, and its loss is
measured on 20,000 or fewer characters of the last tenth.
""",
    "Other ways to learn": """
In the previous chapters every digit had a label, and a network learned to predict it. Neither is necessary: a network can
group digits without labels, and a decision tree can learn from labels without gradients.
""",
}
