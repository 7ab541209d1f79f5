"""Lines of text as samples: each line is learned by itself, from a token before its first to one after its last.

For the tokens c₁ … c_k of a line and a separator s, the sample is x = s, c₁ … c_k and its targets are y = c₁ … c_k, s. The
samples are as long as the longest one; after the end of a line the targets have the weight 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.core.habits import explain_arguments
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.data.dataset import Dataset, Origin, Splits, digest
from pellucid.data.text.choosing import Choice, chosen_tokenizer
from pellucid.data.text.stage import Tokens
from pellucid.errors import DataError

SEPARATOR = "\n"
MAX_PART = 1_000  # lines in the validation set and in the test set, which have a tenth of the lines of shorter texts
MIN_LINES = 10


@explain_arguments
def line_samples(
    lines: Sequence[str], *, stage: Tokens | None = None, context: int | None = None, name: str = "text"
) -> Dataset:
    """Return lines as samples (n, context), with the next token at each position as the target.

    ``stage`` is that of a model, or by default one of the characters in the lines. ``context`` is the length of the samples,
    by default that of the longest line with its separator. The weights are 0 after the end of a line.

    Raises DataError where there are no lines, for a line that is too long, and for unknown characters.
    """
    if not lines:
        raise DataError(f"{name}: there are no lines")
    stage = stage_of(lines) if stage is None else stage
    if stage.separator is None:
        raise DataError(f"{name}: the model was trained on windows of a running text, not on lines")
    return _samples([stage.tokenizer.encode(line) for line in lines], stage, context, name)


def _samples(encoded: Sequence[Array], stage: Tokens, context: int | None, name: str) -> Dataset:
    """Return encoded lines as samples. Raises DataError for a line that is too long for the context."""
    longest = max(range(len(encoded)), key=lambda i: len(encoded[i]))
    t = len(encoded[longest]) + 1 if context is None else context
    if len(encoded[longest]) >= t:
        raise DataError(
            f"{name}: line {longest + 1}, {stage.tokenizer.decode(encoded[longest])[:40]!r}, has {len(encoded[longest]):,} "
            f"tokens: with the separator, samples have {t:,}"
        )
    assert stage.separator is not None
    x, y = (np.full((len(encoded), t), stage.separator, np.int32) for _ in range(2))
    weights = np.zeros((len(encoded), t), np.float32)
    for i, tokens in enumerate(encoded):
        x[i, 1 : len(tokens) + 1] = tokens
        y[i, : len(tokens)] = tokens
        weights[i, : len(tokens) + 1] = 1
    return Dataset(x, y, weights, name=name, origin=Origin(tokens=stage))


def stage_of(lines: Sequence[str], choice: Choice = None, training_lines: Sequence[str] = ()) -> Tokens:
    """Return the input stage of lines, whose separator is the end of a line; for ``choice`` see :func:`chosen_tokenizer`.

    Raises DataError for a tokenizer in which the end of a line is not one token.
    """
    tokenizer = chosen_tokenizer(choice, SEPARATOR + "".join(lines), "\n".join(training_lines))
    separator = tokenizer.encode(SEPARATOR)
    if len(separator) != 1:
        raise DataError(f"{tokenizer} has no token for the end of a line, which separates samples")
    return Tokens(tokenizer, int(separator[0]))


@explain_arguments
def split_lines(
    lines: Sequence[str],
    *,
    tokenizer: Choice = None,
    split_seed: int = 0,
    context: int | None = None,
    name: str = "text",
    source: str = "memory",
) -> Splits:
    """Return lines as samples, shuffled and split: 1,000 for the test, 1,000 for validation, or a tenth each if that is less.

    The test set is the same for every ``split_seed``, which decides about the validation set. The sizes are those of makemore
    (Karpathy, 2022), which shuffles the names and keeps 1,000 for the test; its validation set and its test set are the same.

    The ``tokenizer`` is by default one of the characters of all lines; a number stands for byte-pair encoding with so many
    tokens, learned from the training set, which needs the extra ``text``. ``context`` is the length of the samples, by default
    that of the longest line with its separator.

    Raises DataError for fewer than 10 lines, and the errors of :func:`line_samples`.
    """
    lines = list(lines)
    if len(lines) < MIN_LINES:
        raise DataError(f"{name}: {len(lines)} lines are too few for three sets: at least {MIN_LINES} are needed")
    size = min(MAX_PART, len(lines) // 10)
    shuffled = generator(0, "split", "lines").permutation(len(lines))
    test, rest = shuffled[:size], shuffled[size:]
    again = generator(split_seed, "split", "validation").permutation(rest)
    chosen = {"train": again[size:], "validation": again[:size], "test": test}
    stage = stage_of(lines, tokenizer, [lines[i] for i in chosen["train"]])
    encoded = [stage.tokenizer.encode(line) for line in lines]
    longest = max(map(len, encoded))
    context = longest + 1 if context is None else context
    sets = {part: _samples([encoded[i] for i in rows], stage, context, f"{name} {part}") for part, rows in chosen.items()}
    notes = (
        f"text      {len(lines):,} lines of up to {longest} tokens, each a sample; {len(stage.tokenizer):,} different "
        "tokens, the end of a line among them",
        f"split     shuffled: {size:,} lines for the test, {size:,} for validation",
    )
    sets["train"].origin = Origin(notes=notes, tokens=stage)
    return Splits(sets["train"], sets["validation"], sets["test"], name, source, digest(*sets.values()))
