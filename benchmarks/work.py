"""The model of work: what a training step or a prediction has to compute and to move, as a list of passes over arrays.

A step computes layer after layer: the forward passes, the loss, the backward passes in reverse order, and one update. A pass
has a number of floating-point operations, and accesses to arrays. Passes follow one another, because each needs the whole
result of the one before; arithmetic and transfers of one pass overlap. ``limits`` makes seconds of it.

**Arithmetic.** Two operations for each multiply-add of a product. A dense layer of n inputs and m outputs has n·m for each
sample and position; a convolution has kernel²·channels·filters at each position of its output; an LSTM of u units has
4u·(features + u) at each time step. The forward pass, the gradient of the weights and the gradient of the input have this
number each; the first layer needs no gradient of its input. Activations, normalization, pooling, dropout, the loss and the
optimizer do not count: they take part in the transfers only. Each pass has two counts: ``flop`` with direct convolution, and
``fewest``, in which convolutions of three taps and stride 1 with at least 16 channels and filters are Winograd's: 36
multiply-adds for 4×4 outputs instead of 144, and for sequences 6 for 4 outputs instead of 12, without the additions of his
transforms (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).

**Transfers.** Each pass reads each of its input arrays once and writes each of its output arrays once; within a pass, nothing
is read twice. The stored arrays, in float32, are the input, the output of each product (a *map*), the parameters, their
gradients, and the two moments of Adam.

- forward: a product reads its input and its parameters, and writes its map;
- activations, dropout (whose mask can be computed again), flattening, upsampling and concatenation are parts of the passes that
  read the map: they move nothing;
- max-pooling is a part of the product before it, which writes the pooled map, and a byte for each window that says which pixel
  was the largest; it writes the map before pooling only if another layer reads it;
- normalization needs the statistics of the whole batch. They are sums in the pass that writes the map, and applied when the
  map is read. Its backward pass reads the map once more. Pooling after it is a pass of its own;
- the sum of a residual block is a pass: it reads both maps and writes one;
- backward: a product reads the gradients of its map, its input and its parameters (not those of the first layer), and writes
  the gradient of its parameters and that of its input. If several layers read a map, each writes a gradient, and the
  product that wrote the map reads all of them;
- an LSTM multiplies the inputs of all time steps at once. Each time step is a pass that reads the recurrent weights, because it
  needs the state of the one before;
- the update reads the gradients, and reads and writes parameters and moments. It waits for all gradients, because a
  library that checks or clips them must know all of them first;
- an epoch also reads the images, one byte for each pixel, from an array that is larger than the caches.

**Where an array is.** A cache holds an array if everything that was used since its last use, and the array itself, fits into
it (the least recently used is given up first; memory that is not needed any more is used again). Steps follow one another, so
that parameters were last used in the step before.

**Prediction** is one pass: samples are independent, so a few of them can go through all layers within the caches. It
reads the input and the parameters and writes the probabilities.

This module imports only the standard library, because the parent process needs it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks import networks
from benchmarks.networks import Layer, Shape, cost

FLOAT = 4  # bytes
#: Winograd's algorithms are for products with at least that many channels and filters: with fewer, transforms take longer.
MIN_CHANNELS = 16
#: The outputs of a tile in one direction, and the products for it.
TILE, TILE_PRODUCTS = 4, 6
#: For sequences, the largest share of the direct products: long dilations of short sequences leave tiles half empty.
MAX_SEQUENCE_SHARE = 0.8

Kind = Literal["read", "write", "update"]


@dataclass(frozen=True)
class Access:
    """One pass over an array: its name, its bytes, and whether it is read, written, or both (``update``).

    ``within`` is the size of a larger array of which each step uses another part, such as the images of an epoch.
    """

    array: str
    size: int
    kind: Kind = "read"
    within: int = 0


@dataclass(frozen=True)
class Pass:
    """A pass: its operations with direct convolution, and with the fewest products, and its accesses in order."""

    name: str
    flop: float
    fewest: float
    accesses: tuple[Access, ...]

    @property
    def moved(self) -> int:
        """The bytes that are moved; those of an update are moved twice."""
        return sum(one.size * (2 if one.kind == "update" else 1) for one in self.accesses)


def distances(passes: Sequence[Pass]) -> list[list[float]]:
    """Return for each access the bytes of all arrays used since the last use of its array, with the array itself.

    The passes are repeated, as steps are. An array is not in use from its last reading to its next writing: its memory is free
    for others. What is written has the distance of its next use, because this decides how far it has to be moved.
    """
    turns = 3  # of which the second counts: its arrays have been used before, and will be used again
    flat = [access for _ in range(turns) for one in passes for access in one.accesses]
    following: list[int | None] = [None] * len(flat)
    last: dict[str, int] = {}
    for place, access in enumerate(flat):
        if access.array in last:
            following[last[access.array]] = place
        last[access.array] = place
    found: list[float] = [math.inf] * len(flat)
    recent: dict[str, int] = {}  # the arrays in use; the one that was used last is the last
    for place, access in enumerate(flat):
        since = itertools.dropwhile(lambda name, wanted=access.array: name != wanted, recent)  # type: ignore[misc]
        found[place] = max(sum(recent[name] for name in since), access.size, access.within)
        recent.pop(access.array, None)
        after = following[place]
        if after is None or flat[after].kind != "write":
            recent[access.array] = access.size
    for place, access in enumerate(flat):
        after = following[place]
        if access.kind == "write" and after is not None:
            found[place] = found[after]
    second = iter(found[len(flat) // turns : 2 * len(flat) // turns])
    return [[next(second) for _ in one.accesses] for one in passes]


def step(layers: Sequence[Layer], shape: Shape, batch: int, gathered_from: int = 0) -> list[Pass]:
    """Return the passes of a training step with Adam on samples of that shape.

    With ``gathered_from``, the step first takes its samples from that many bytes, one for each value.
    """
    walk = _Walk(batch)
    values = batch * math.prod(shape)
    x = _Map((("x", FLOAT * values),), trained=False)
    before = []
    if gathered_from:
        images = Access("images", values, "read", gathered_from)
        before.append(Pass("gather", 0, 0, (images, *x.written())))
    (logits,), _ = walk.through(layers, (x,), shape)
    logits.uses += 1
    logits.gradients += [Access(f"d{name}", size) for name, size in logits.arrays]
    loss = Pass("loss", 0, 0, (*logits.read(), *_as("write", logits.gradients)))
    backward = [one for make in reversed(walk.backward) for one in make()]
    forward = [one for make in walk.forward for one in make()]  # after the backward passes, in which the maps are complete
    update: list[Access] = []
    for name, size in walk.parameters.items():
        update += [Access(f"d{name}", size), *(Access(kind + name, size, "update") for kind in ("", "m", "v"))]
    return [*before, *forward, loss, *backward, Pass("update", 0, 0, tuple(update))]


def prediction(layers: Sequence[Layer], shape: Shape, samples: int) -> list[Pass]:
    """Return the one pass of a prediction."""
    walk = _Walk(samples)
    x = _Map((("x", FLOAT * samples * math.prod(shape)),), trained=False)
    (logits,), _ = walk.through(layers, (x,), shape)
    passes = [one for make in walk.forward for one in make()]
    parameters = [Access(name, size) for name, size in walk.parameters.items()]
    flop, fewest = sum(one.flop for one in passes), sum(one.fewest for one in passes)
    return [Pass("prediction", flop, fewest, (*x.read(), *parameters, *logits.written()))]


def fewest_multiply_adds(layer: Layer, shape: Shape, positions: Sequence[int]) -> int | None:
    """Return the multiply-adds of Winograd's algorithm for inputs of that shape and outputs at these positions.

    None if the layer has none: the direct sum is then the best that is known.
    """
    if not isinstance(layer, networks.Conv | networks.Conv1d) or layer.kernel != 3:
        return None
    channels, filters = shape[-1], layer.filters
    if min(channels, filters) < MIN_CHANNELS:
        return None
    if isinstance(layer, networks.Conv):
        if layer.stride != 1:
            return None
        tiles = math.prod(-(-side // TILE) for side in positions)
        return tiles * TILE_PRODUCTS**2 * channels * filters
    # With a dilation of d, a sequence is d sequences, of which some are longer by one step.
    (steps,) = positions
    whole, longer = divmod(steps, layer.dilation)
    tiles = longer * -(-(whole + 1) // TILE) + (layer.dilation - longer) * -(-whole // TILE)
    share = tiles * TILE_PRODUCTS / (3 * steps)
    return tiles * TILE_PRODUCTS * channels * filters if share <= MAX_SEQUENCE_SHARE else None


@dataclass
class _Map:
    """An array that the forward pass keeps, or one for each time step: names and bytes.

    ``gradients`` are written by the layers that read it, ``uses`` counts these. ``pooled`` is the map after a max-pooling
    that is a part of the pass that writes this one; ``producer`` says whether there can be one.
    """

    arrays: tuple[tuple[str, int], ...]
    trained: bool = True
    producer: bool = False
    normalized: bool = False
    uses: int = 0
    gradients: list[Access] = field(default_factory=list)
    pooled: _Map | None = None

    @property
    def index(self) -> Access:
        """The bytes that say which pixel of each window was the largest."""
        assert self.pooled is not None
        ((name, size),) = self.pooled.arrays
        return Access(f"{name} index", size // FLOAT)

    def read(self) -> list[Access]:
        """Read the map."""
        return [Access(name, size) for name, size in self.arrays]

    def written(self) -> list[Access]:
        """Write the map, if anything but the pooling reads it, and the pooled map."""
        full = [Access(name, size, "write") for name, size in self.arrays] if self.uses or self.pooled is None else []
        return full if self.pooled is None else [*full, *self.pooled.written(), *_as("write", [self.index])]

    def gradient(self) -> list[Access]:
        """Read the gradient of the map, and what its normalization or pooling needs besides."""
        pooled = [*self.pooled.gradients, self.index] if self.pooled is not None else []
        return [*self.gradients, *pooled, *(self.read() if self.normalized else ())]

    def write_gradient(self, number: int) -> list[Access]:
        """Write the gradient that the layer of that number adds; nothing for the input of the network."""
        if not self.trained:
            return []
        added = [Access(f"d{name} of {number}", size) for name, size in self.arrays]
        self.gradients += added
        return _as("write", added)


Maps = tuple[_Map, ...]


class _Walk:
    """The passes of the layers, as functions that are called when all readers of the maps are known."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.forward: list[Callable[[], list[Pass]]] = []
        self.backward: list[Callable[[], list[Pass]]] = []
        self.parameters: dict[str, int] = {}
        self.count = 0

    def through(self, layers: Iterable[Layer], maps: Maps, shape: Shape) -> tuple[Maps, Shape]:
        """Return the maps that hold the output of the layers, and its shape for one sample."""
        for layer in layers:
            maps, shape = self.layer(layer, maps, shape), cost((layer,), shape).shape
        return maps, shape

    def layer(self, layer: Layer, maps: Maps, shape: Shape) -> Maps:
        """Return the maps that hold the output of one layer."""
        match layer:
            case networks.Conv() | networks.Conv1d() | networks.Dense():
                return self.product(layer, maps, shape)
            case networks.Lstm():
                return self.lstm(layer, maps, shape)
            case networks.MaxPool():
                return self.pool(maps, shape)
            case networks.Mean():
                return self.mean(maps, shape)
            case networks.Norm():
                (one,) = maps
                one.normalized = True
                self.name("norm", math.prod(shape[-1:]) * 2)
                return maps
            case networks.Skip():
                return (*maps, *self.through(layer.layers, maps, shape)[0])
            case networks.Residual():
                inner, _ = self.through(layer.layers, maps, shape)
                shortcut, _ = self.through(layer.shortcut, maps, shape)
                return self.sum((*inner, *shortcut), cost((layer,), shape).shape)
        return maps

    def name(self, kind: str, parameters: int = 0) -> tuple[int, str]:
        """Return the number and the name of a new layer, which is also that of its parameters."""
        self.count += 1
        name = f"{kind} {self.count}"
        if parameters:
            self.parameters[name] = FLOAT * parameters
        return self.count, name

    def map(self, name: str, shape: Shape, producer: bool = False) -> _Map:
        """Return a new map of that shape for each sample."""
        return _Map(((f"{name} map", FLOAT * self.batch * math.prod(shape)),), producer=producer)

    def product(self, layer: networks.Conv | networks.Conv1d | networks.Dense, maps: Maps, shape: Shape) -> Maps:
        """Add the passes of a convolution or a dense layer."""
        own = cost((layer,), shape)
        number, name = self.name(type(layer).__name__.lower(), own.parameter_count)
        W = Access(name, self.parameters[name])
        out = self.map(name, own.shape, producer=True)
        _use(maps)
        direct = 2.0 * self.batch * own.multiply_adds

        def fewest(positions: Shape) -> float:
            found = fewest_multiply_adds(layer, shape, positions)
            return direct if found is None else 2.0 * self.batch * found

        def forward() -> list[Pass]:
            reads = [access for one in maps for access in one.read()]
            return [Pass(name, direct, fewest(own.shape[:-1]), (*reads, W, *out.written()))]

        def backward() -> list[Pass]:
            reads = [*out.gradient(), *(access for one in maps for access in one.read())]
            needed = any(one.trained for one in maps)
            writes = [Access(f"d{name}", W.size, "write"), *(access for one in maps for access in one.write_gradient(number))]
            flop, least = direct, fewest(own.shape[:-1])
            if needed:
                flop, least = flop + direct, least + fewest(shape[:-1])
            return [Pass(f"gradients of {name}", flop, least, (*reads, *([W] if needed else []), *writes))]

        self.forward.append(forward)
        self.backward.append(backward)
        return (out,)

    def pool(self, maps: Maps, shape: Shape) -> Maps:
        """Add a max-pooling, as a part of the product before it or as a pass of its own."""
        (one,) = maps
        number, name = self.name("pool")
        out = self.map(name, cost((networks.MaxPool(),), shape).shape)
        if one.producer and not one.normalized:
            one.pooled = out
            return (out,)
        _use(maps)
        self.forward.append(lambda: [Pass(name, 0, 0, (*one.read(), *out.written()))])
        self.backward.append(
            lambda: [Pass(f"gradient of {name}", 0, 0, (*out.gradient(), *one.read(), *one.write_gradient(number)))]
        )
        return (out,)

    def mean(self, maps: Maps, shape: Shape) -> Maps:
        """Add a mean over the positions. Its gradient is the same at all of them, and is not written."""
        _, name = self.name("mean")
        out = self.map(name, shape[-1:])
        _use(maps)
        self.forward.append(lambda: [Pass(name, 0, 0, (*(access for one in maps for access in one.read()), *out.written()))])

        def backward() -> list[Pass]:
            for one in maps:
                one.gradients += out.gradients
            return []

        self.backward.append(backward)
        return (out,)

    def sum(self, maps: Maps, shape: Shape) -> Maps:
        """Add the sum of a residual block. The gradient of the sum is that of its terms; normalized terms are read again, for
        the sums over the batch that their gradients contain."""
        _, name = self.name("sum")
        out = self.map(name, shape)
        _use(maps)
        self.forward.append(lambda: [Pass(name, 0, 0, (*(access for one in maps for access in one.read()), *out.written()))])

        def backward() -> list[Pass]:
            for one in maps:
                one.gradients += out.gradients
            again = [access for one in maps if one.normalized for access in one.read()]
            return [Pass(f"gradient of {name}", 0, 0, (*out.gradients, *again))] if again else []

        self.backward.append(backward)
        return (out,)

    def lstm(self, layer: networks.Lstm, maps: Maps, shape: Shape) -> Maps:
        """Add the passes of an LSTM: one for the inputs of all time steps, and one for each time step."""
        (time, features), units = shape, layer.units
        number, name = self.name("lstm")
        W = Access(f"{name} input weights", FLOAT * (features + 1) * 4 * units)
        U = Access(f"{name} recurrent weights", FLOAT * 4 * units**2)
        self.parameters |= {W.array: W.size, U.array: U.size}
        vector = FLOAT * self.batch * units
        gates, cells, states = ([(f"{name} {kind} {t}", n * vector) for t in range(time)] for kind, n in _KINDS.items())
        out = _Map(tuple(states if layer.every_step else states[-1:]))
        _use(maps)
        inputs, recurrent = (2.0 * self.batch * n * 4 * units for n in (time * features, units))

        def last(t: int) -> list[Access]:
            return [Access(*states[t - 1]), Access(*cells[t - 1])] if t else []

        def forward() -> list[Pass]:
            reads = [access for one in maps for access in one.read()]
            passes = [Pass(f"{name} inputs", inputs, inputs, (*reads, W, *(Access(*one, "write") for one in gates)))]
            for t in range(time):
                written = Access(*gates[t], "update"), Access(*cells[t], "write"), Access(*states[t], "write")
                passes.append(Pass(f"{name} time {t}", recurrent, recurrent, (*last(t), U, *written)))
            return passes

        def backward() -> list[Pass]:
            passes: list[Pass] = []
            given: dict[str, list[Access]] = {}
            for access in out.gradients:
                given.setdefault(access.array.partition(" of ")[0], []).append(access)
            carried = Access(f"{name} carried", 2 * vector, "update")
            for t in reversed(range(time)):
                reads = [*given.get(f"d{states[t][0]}", ()), *last(t)[1:], Access(*cells[t]), U]
                accesses = (*reads, Access(*gates[t], "update"), carried)
                passes.append(Pass(f"gradients of {name} time {t}", recurrent, recurrent, accesses))
            reads = [Access(*one) for one in (*gates, *states)] + [access for one in maps for access in one.read()]
            needed = any(one.trained for one in maps)
            writes = [Access(f"d{W.array}", W.size, "write"), Access(f"d{U.array}", U.size, "write")]
            writes += [access for one in maps for access in one.write_gradient(number)]
            flop = inputs * (2 if needed else 1) + recurrent * time
            passes.append(Pass(f"gradients of {name}", flop, flop, (*reads, *([W] if needed else []), *writes)))
            return passes

        self.forward.append(forward)
        self.backward.append(backward)
        return (out,)


#: What an LSTM keeps of each time step, in multiples of its units.
_KINDS = {"gates": 4, "cell": 1, "state": 1}


def _use(maps: Maps) -> None:
    for one in maps:
        one.uses += 1


def _as(kind: Kind, accesses: Iterable[Access]) -> list[Access]:
    return [Access(one.array, one.size, kind, one.within) for one in accesses]
