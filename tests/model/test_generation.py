"""Tests of generation: what is remembered equals a full pass, tokens are drawn as they should be, and prompts are checked."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    GELU,
    GRU,
    LSTM,
    Adam,
    Attention,
    Bidirectional,
    ConfigError,
    Conv1D,
    CrossEntropy,
    DataError,
    Dense,
    Embedding,
    Flatten,
    Graph,
    LayerNorm,
    LearnedPositions,
    MeanSquaredError,
    Node,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    SimpleRNN,
    Softmax,
    SwiGLU,
    TiedEmbedding,
)
from pellucid.kernels import compiled, reference
from pellucid.model.generation import MAX_FREE, Reader, Sampling, chance
from pellucid.training.recording import RecordedExecution
from pellucid.training.state import ModelState

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
TOKENS, WINDOW = 11, 8


def language_model(*inner):
    return Sequential(Embedding(TOKENS, 6), *inner, Dense(TOKENS), Softmax())


NETWORKS = {
    "bigram": Sequential(Embedding(TOKENS, TOKENS), Softmax()),
    "rnn": language_model(SimpleRNN(7, return_sequences=True)),
    "gru": language_model(GRU(7, return_sequences=True)),
    "lstm": language_model(LSTM(7, return_sequences=True), LayerNorm(), LSTM(5, return_sequences=True)),
    "last state": language_model(GRU(7)),
    "convolutions": language_model(Conv1D(9, 3, padding="causal"), ReLU(), Conv1D(9, 2, padding="causal", dilation=3)),
    "transformer": Sequential(
        TiedEmbedding(
            TOKENS,
            8,
            LearnedPositions(),
            Residual(LayerNorm(bias=False), Attention(4, causal=True, bias=False)),
            Residual(LayerNorm(bias=False), Dense(16), GELU(), Dense(8)),
            LayerNorm(),
        ),
        Softmax(),
    ),
    "rotary": Sequential(
        Embedding(TOKENS, 8), Residual(RMSNorm(), Attention(2, causal=True, rotary=True)), SwiGLU(9), Dense(TOKENS), Softmax()
    ),
    "positions": Sequential(
        TiedEmbedding(TOKENS, 6, LearnedPositions(), Residual(LayerNorm(), GRU(6, return_sequences=True))), Softmax()
    ),
}
WHOLE_WINDOWS = {
    "both directions": language_model(Bidirectional(GRU(4, return_sequences=True))),
    "window": language_model(Flatten()),
    "not causal": language_model(Attention(2)),
}


def state_of(network, kernels=compiled, dtype=np.float64, window=WINDOW, loss=None):
    state = ModelState(network, (window,), loss or CrossEntropy(), Adam(), 0, kernels, dtype)
    state.parameters += 0.3 * np.sin(np.arange(state.parameters.size)).astype(dtype)  # no symmetry, and biases that count
    return state


def compiled_model(network, window=WINDOW):
    model = network.compile(input_shape=(window,), loss=CrossEntropy())
    model.parameters[:] += 0.3 * np.sin(np.arange(model.parameters.size))
    return model


def windows(tokens, first, window=WINDOW):
    """What the network should read of the sequence after each of its tokens from number ``first`` on."""
    start = max(0, first - window)
    for end in range(first, len(tokens) + 1):
        if end - start > window:
            start = end - max(1, window // 2)
        yield tokens[start:end]


def logits_of(state, tokens):
    """The logits after these tokens, by one pass over all of them."""
    z = state.execution(state.network if state.head is None else state.body).forward(np.array([tokens], state.dtype))
    return z[0] if z.ndim == 2 else z[0, -1]


def read_on(reader, prompts, length):
    """The logits (length, n, tokens) of a reader, and the sequences; the tokens that follow are arbitrary."""
    sequences, found = [list(prompt) for prompt in prompts], []
    reader.begin(sequences)
    for step in range(length):
        found.append(reader.logits(sequences).copy())
        for i, tokens in enumerate(sequences):
            tokens.append((3 * step + 5 * i) % TOKENS)
    return np.array(found), sequences


@BOTH
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_remembered_equals_a_full_pass(name, kernels):
    state = state_of(NETWORKS[name], kernels)
    assert state.network.continues
    prompts = [[1], [2, 3, 4], list(range(10)), [5] * WINDOW]
    reader = Reader(state, len(prompts))
    for _ in range(2):  # the second time with the recordings and the memory of the first
        z, sequences = read_on(reader, prompts, 3 * WINDOW)
        for i, prompt in enumerate(prompts):
            expected = [logits_of(state, tokens) for tokens in windows(sequences[i][:-1], len(prompt))]
            np.testing.assert_allclose(z[:, i], expected, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_single_precision_stays_within_rounding(name):
    exact, state = state_of(NETWORKS[name]), state_of(NETWORKS[name], dtype=np.float32)
    z, _ = read_on(Reader(state, 1), [[1, 2]], 2 * WINDOW)
    expected, _ = read_on(Reader(exact, 1), [[1, 2]], 2 * WINDOW)
    np.testing.assert_allclose(z, expected, atol=3e-6)


def test_positions_that_were_read_are_not_read_again():
    state, read = state_of(NETWORKS["gru"], reference), []
    reader = Reader(state, 2)
    forward = reader._execution.forward

    def counted(x, past=None):
        read.append(x.shape)
        return forward(x, past=past)

    reader._execution.forward = counted
    read_on(reader, [[1, 2, 3, 4], [5]], WINDOW)
    assert read[:4] == [(1, 3), (2, 1), (2, 1), (2, 1)]
    assert read.count((1, WINDOW // 2 - 1)) == 2  # the first sequence has begun a new window, and the prompt


def test_a_position_is_recorded_and_replayed():
    state = state_of(NETWORKS["positions"], dtype=np.float32)
    reader = Reader(state, 1)
    assert isinstance(reader._execution, RecordedExecution)
    read_on(reader, [[1, 2, 3]], 5)
    assert [(key[0], key[1] is reader._past, key[3]) for key in reader._execution._recordings] == [(False, True, (1, 1))]


@pytest.mark.parametrize("name", WHOLE_WINDOWS)
def test_networks_without_memory_read_whole_windows(name):
    state = state_of(WHOLE_WINDOWS[name])
    assert not state.network.continues
    per_position = name != "window"
    z, sequences = read_on(Reader(state, 2, filler=0), [[3, 4], list(range(10))], 2 * WINDOW)
    for i, first in enumerate([2, 10]):
        tokens = sequences[i][:-1]
        for step, end in enumerate(range(first, len(tokens) + 1)):
            if per_position:
                part = list(windows(tokens[:end], first))[-1]
                part, place = part + [part[-1]] * (WINDOW - len(part)), len(part) - 1
                expected = state.execution(state.body).forward(np.array([part], float))[0, place]
            else:
                part = ([0] * WINDOW + tokens[:end])[-WINDOW:]
                expected = logits_of(state, part)
            np.testing.assert_allclose(z[step, i], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["transformer", "gru"])
def test_a_sequence_that_has_ended_is_not_read_on(name):
    reader = Reader(state_of(NETWORKS[name]), 2)
    ended, other = [1, 2, 3], [4, 5]
    reader.begin([ended, other])
    first = reader.logits([ended, other]).copy()
    for _ in range(2 * WINDOW):
        other.append(6)
        z = reader.logits([ended, other]).copy()
        assert reader._past.read[0] == 3
        if name == "transformer":
            np.testing.assert_allclose(z[0], first[0], atol=1e-12)
    expected = list(windows(other, 2))[-1]
    np.testing.assert_allclose(z[1], logits_of(reader._state, expected), atol=1e-12)


def test_a_full_window_needs_a_filler_or_a_long_prompt():
    model = compiled_model(WHOLE_WINDOWS["window"])
    with pytest.raises(DataError, match="reads exactly 8 tokens, and the sequence has 2: give a prompt that is as long"):
        list(model.generate([1, 2], length=3))
    assert len(list(model.generate(range(8), length=3))) == 3


@pytest.mark.parametrize("window", [1, 2, 3])
def test_short_windows(window):
    state = state_of(NETWORKS["gru"], window=window)
    z, (tokens,) = read_on(Reader(state, 1), [[1, 2]], 7)
    expected = [logits_of(state, part) for part in windows(tokens[:-1], 2, window)]
    np.testing.assert_allclose(z[:, 0], expected, atol=1e-12)


# -- drawing ------------------------------------------------------------------------------------------------------


def frequencies(sampling, z, draws=20_000):
    z = np.tile(np.asarray(z, float), (draws, 1))
    key = 12345
    chosen = sampling.draw(z, np.array([chance(key, i) for i in range(draws)]))
    return np.bincount(chosen, minlength=z.shape[1]) / draws


def softmax(z):
    e = np.exp(z - np.max(z))
    return e / e.sum()


Z = np.log([0.1, 0.4, 0.05, 0.25, 0.2])


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.1, 0.4, 0.05, 0.25, 0.2]),
        (Sampling(temperature=0.5), softmax(2 * Z)),
        (Sampling(temperature=2.0), softmax(Z / 2)),
        (Sampling(temperature=0.0), [0, 1, 0, 0, 0]),
        (Sampling(temperature=1e-300), [0, 1, 0, 0, 0]),
        (Sampling(top_k=1), [0, 1, 0, 0, 0]),
        (Sampling(top_k=3), np.array([0, 0.4, 0, 0.25, 0.2]) / 0.85),
        (Sampling(top_k=100), [0.1, 0.4, 0.05, 0.25, 0.2]),
        (Sampling(top_p=0.39), [0, 1, 0, 0, 0]),
        (Sampling(top_p=0.6), np.array([0, 0.4, 0, 0.25, 0]) / 0.65),
        (Sampling(top_p=0.7), np.array([0, 0.4, 0, 0.25, 0.2]) / 0.85),
        (Sampling(top_p=1.0), [0.1, 0.4, 0.05, 0.25, 0.2]),
        (Sampling(top_p=1e-300), [0, 1, 0, 0, 0]),
        (Sampling(top_k=2, top_p=0.6), [0, 1, 0, 0, 0]),  # of the two that are left, the first has 0.62
        (Sampling(top_k=2, top_p=0.7), np.array([0, 0.4, 0, 0.25, 0]) / 0.65),
        (Sampling(temperature=0.5, top_p=0.5), [0, 1, 0, 0, 0]),  # the temperature comes first
    ],
    ids=str,
)
def test_tokens_are_drawn_with_their_probabilities(sampling, expected):
    found, expected = frequencies(sampling, Z), np.asarray(expected)
    assert (found[expected == 0] == 0).all()
    sigma = np.sqrt(expected * (1 - expected) / 20_000)
    assert (np.abs(found - expected) <= 4 * sigma).all()


def test_equally_likely_tokens_are_taken_in_order():
    z = np.array([[1.0, 2.0, 2.0, 2.0]])
    assert Sampling(temperature=0).draw(z, np.array([0.9])).tolist() == [1]
    assert set(np.flatnonzero(frequencies(Sampling(top_k=2), z[0]))) == {1, 2}
    assert set(np.flatnonzero(frequencies(Sampling(top_k=5), np.tile([0.0, 1.0], 500), 2_000))) == {1, 3, 5, 7, 9}
    assert set(np.flatnonzero(frequencies(Sampling(top_p=0.5), np.log([0.5, 0.25, 0.25])))) == {0}


def test_the_ends_of_the_interval():
    z = np.array([[-1e9, 0.0, 0.0, -1e9]])
    last = np.nextafter(1.0, 0)
    for sampling in (Sampling(), Sampling(top_p=0.99), Sampling(top_k=3)):
        assert sampling.draw(z, np.array([0.0])).tolist() == [1]
        assert sampling.draw(z, np.array([last])).tolist() == [2]


def test_the_random_numbers_are_uniform_and_independent():
    numbers = np.array([[chance(key, position) for position in range(2000)] for key in range(20)])
    assert (numbers >= 0).all()
    assert (numbers < 1).all()
    counts = np.bincount((numbers.ravel() * 50).astype(int), minlength=50)
    expected = numbers.size / 50
    assert ((counts - expected) ** 2 / expected).sum() < 49 + 4 * np.sqrt(2 * 49)  # chi-square with 49 degrees of freedom
    pairs = np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]
    between = np.corrcoef(numbers)[np.triu_indices(20, 1)]
    assert abs(pairs) < 4 / np.sqrt(numbers.size)
    assert np.abs(between).max() < 5 / np.sqrt(2000)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0), Sampling(top_p=0.9)], ids=str)
def test_logits_that_are_not_finite_are_an_error(sampling):
    for bad in (np.nan, np.inf):
        with pytest.raises(DataError, match="not finite"):
            sampling.draw(np.array([[0.0, bad, 1.0]]), np.array([0.5]))
    assert sampling.draw(np.array([[0.0, -np.inf, -np.inf]]), np.array([0.5])).tolist() == [0]  # a probability of 0


# -- Model.generate -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    return compiled_model(NETWORKS["positions"])


def test_a_seed_gives_the_same_tokens_alone_and_among_others(model):
    prompts = [[1, 2, 3], [4], list(range(11)), [1, 2, 3]]
    together = list(model.generate(prompts, length=30, seed=5))
    assert all(len(step) == 4 for step in together)
    for i, prompt in enumerate(prompts):
        assert [step[i] for step in together] == list(model.generate(prompt, length=30, seed=5))
    assert [step[0] for step in together] == [step[3] for step in together]
    several = list(zip(*model.generate([[1, 2, 3]] * 3, length=30, seed=[5, 6, 7]), strict=True))
    assert several[0] == tuple(step[0] for step in together)
    assert len(set(several)) == 3
    assert list(model.generate([1, 2, 3], length=30, seed=6)) == list(several[1])


def test_the_forms_of_prompts(model):
    expected = list(model.generate([1, 2, 3], length=5))
    assert all(type(token) is int for token in expected)
    for prompt in ((1, 2, 3), range(1, 4), np.array([1, 2, 3]), np.array([1, 2, 3], np.uint8)):
        assert list(model.generate(prompt, length=5)) == expected
    for prompt in ([[1, 2, 3]], np.array([[1, 2, 3]]), (np.array([1, 2, 3]),)):
        assert list(model.generate(prompt, length=5)) == [[token] for token in expected]


def test_a_temperature_of_zero_takes_the_most_likely_token(model):
    prompt = [1, 2, 3]
    for token in model.generate(prompt, length=5, temperature=0):
        tokens = np.array([prompt + [0] * (WINDOW - len(prompt))])
        assert token == model.predict(tokens)[0, len(prompt) - 1].argmax()
        prompt.append(token)


def test_a_sequence_ends_before_a_stop(model):
    free = list(model.generate([1, 2, 3], length=40, seed=3))
    end = free.index(free[10])
    assert list(model.generate([1, 2, 3], length=40, seed=3, stop=free[10])) == free[:end]
    assert list(model.generate([1, 2, 3], length=40, seed=3, stop=(free[10], free[0]))) == []
    assert list(model.generate([1, 2, 3], length=40, seed=3, stop=())) == free
    other = list(model.generate([4, 5], length=40, seed=3))
    both = list(model.generate([[1, 2, 3], [4, 5]], length=40, seed=3, stop=free[10]))
    second = other.index(free[10]) if free[10] in other else 40
    assert [step[0] for step in both] == (free[:end] + [None] * 40)[: len(both)]
    assert [step[1] for step in both] == (other[:second] + [None] * 40)[: len(both)]
    assert len(both) == max(end, second)


def test_iterators_do_not_disturb_each_other():
    model = compiled_model(NETWORKS["positions"])
    expected = [list(model.generate([1, 2], length=20, seed=seed)) for seed in range(3)]
    iterators = [model.generate([1, 2], length=20, seed=seed) for seed in range(3)]
    assert list(zip(*iterators, strict=True)) == list(zip(*expected, strict=True))
    abandoned = model.generate([1, 2], length=20)
    next(abandoned)
    abandoned.close()
    assert [reader.n for reader in model._readers._free] == [1, 1, 1]  # as many as were used at the same time
    assert list(model.generate([1, 2], length=20, seed=2)) == expected[2]
    model.predict(np.zeros((3, WINDOW), int))
    assert list(model.generate([1, 2], length=20, seed=2)) == expected[2]


def test_the_last_readers_are_kept_for_the_next_texts():
    model = compiled_model(NETWORKS["gru"])
    expected = {n: list(model.generate([[1, 2]] * n, length=3)) for n in range(1, 8)}
    kept = model._readers._free
    assert [reader.n for reader in kept] == [4, 5, 6, 7]
    again = kept[0]
    assert list(model.generate([[1, 2]] * 4, length=3)) == expected[4]
    assert kept[-1] is again, "the one of four sequences is used again"
    assert [reader.n for reader in kept] == [5, 6, 7, 4]
    many = [model.generate([1, 2], length=3) for _ in range(9)]
    steps = list(zip(*many, strict=True))
    assert steps == [(step[0],) * 9 for step in expected[1]]
    assert len(model._readers._free) == MAX_FREE == 4


def test_generation_uses_the_parameters_as_they_are():
    model = compiled_model(NETWORKS["gru"])
    before = list(model.generate([1, 2], length=20))
    kept = model.parameters.copy()
    model.parameters[:] *= -1
    assert list(model.generate([1, 2], length=20)) != before
    model.parameters[:] = kept
    assert list(model.generate([1, 2], length=20)) == before


def test_a_trained_model_writes_what_it_has_learned():
    rng = np.random.default_rng(0)
    starts = rng.integers(5, size=400)
    x = (starts[:, None] + 2 * np.arange(9)) % 5  # each token is the one before plus 2, modulo 5
    model = Sequential(Embedding(5, 8), GRU(12, return_sequences=True), Dense(5), Softmax()).compile(
        input_shape=(8,), loss=CrossEntropy(), optimizer=Adam(0.02)
    )
    model.fit(x[:, :-1], x[:, 1:], epochs=8, progress=False)
    assert list(model.generate([3], length=12, temperature=0)) == [(3 + 2 * k) % 5 for k in range(1, 13)]
    copied = model.copy()
    assert list(copied.generate([3], length=12, seed=1)) == list(model.generate([3], length=12, seed=1))


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], "the prompt is empty"),
        ("", "has no tokenizer"),
        ("abc", "has no tokenizer: give a list of tokens"),
        ([1, 11], "11 at position 1 of the prompt is not a token: they are the integers from 0 to 10"),
        ([-1], "-1 at position 0 of the prompt"),
        ([1.5], "integers, not float64"),
        ([[1], []], "prompt 2 is empty"),
        ([[1], [12]], "12 at position 0 of prompt 2"),
        ([[1], "a"], "prompt 2 is str"),
        (np.zeros((0, 3), int), "no prompt in the list"),
        (7, "the prompt is int"),
        ({1: 2}, "the prompt is dict"),
    ],
    ids=str,
)
def test_prompts_that_cannot_be_continued(model, prompt, message):
    with pytest.raises((DataError, ConfigError), match=message):
        model.generate(prompt, length=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length"),
        ({"length": 1.5}, "length"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": np.inf}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_p": np.nan}, "top_p"),
        ({"seed": 0.5}, "seed"),
        ({"seed": [1, 2]}, "2 seeds for 1 prompt: give"),
        ({"stop": "x"}, "give tokens as stops"),
        ({"max_new_tokens": 5}, "length"),
    ],
    ids=str,
)
def test_settings_that_are_wrong(model, options, message):
    with pytest.raises(ConfigError, match=message):
        model.generate([1, 2], **{"length": 3, **options})


@pytest.mark.parametrize(
    ("network", "shape", "loss", "message"),
    [
        (Sequential(Dense(3), Softmax()), (4,), CrossEntropy(), "not tokens"),
        (Sequential(Embedding(5, 3), Flatten(), Dense(5), Softmax()), (4, 2), CrossEntropy(), "not tokens"),
        (Sequential(Embedding(5, 3), Dense(5)), (4,), MeanSquaredError(), "does not end in Softmax"),
        (Sequential(Embedding(5, 3), Dense(6), Softmax()), (4,), CrossEntropy(), "predicts 6 different tokens, but reads 5"),
        (
            Graph(
                Node("p", Sequential(Embedding(5, 3), Dense(5), Softmax()), "left"),
                Node("q", Dense(3), "right"),
                inputs=("left", "right"),
                outputs=("p", "q"),
            ),
            {"left": (4,), "right": (3,)},
            {"p": CrossEntropy(), "q": MeanSquaredError()},
            "one input and one output",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_networks_that_are_not_language_models(network, shape, loss, message):
    model = network.compile(input_shape=shape, loss=loss)
    with pytest.raises(ConfigError, match=message):
        model.generate([1, 2], length=3)


def test_a_model_without_a_loss_generates():
    model = NETWORKS["gru"].compile(input_shape=(WINDOW,), loss=None)
    assert len(list(model.generate([1], length=4))) == 4
