"""The tab Text: what a language model computes for a text, and how it goes on.

The page sends the text at each key press. The answer has the probabilities of the next token, the weights of attention, and the
guesses on the way through the network, with and without the parts that are switched off. A network can also draw the next token
itself: the page appends it and asks again. It draws as ``Model.generate`` does; in a full window it reads the last tokens.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

from pellucid.app.api import RequestFields, get, pack, post
from pellucid.app.state import AppState
from pellucid.app.texts import TextNetwork, TextNetworks
from pellucid.core import rng
from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError
from pellucid.explain import TokenReading
from pellucid.explain.language_models import Head, softmax
from pellucid.explain.tokens import text_tokens
from pellucid.layers.attention import Attention, CrossAttention
from pellucid.model.generated import UNKNOWN, TextStream
from pellucid.model.generation import Sampling, chance
from pellucid.networks import primitives

MAX_TEXT = 20_000  # characters of a request
SHOWN = 12  # of the tokens that may follow
GUESSES = 3  # of each block
SMALL = 48  # positions of the small matrices of all heads, the last ones
MAX_OFF = 1000  # heads that are switched off
MAX_DRAWN = 16  # tokens of one answer

FIELDS = ("network", "text", "position", "layer", "head", "heads_off", "blocks_off", "seed", "temperature", "top_k")


def routes(state: AppState) -> list[BaseRoute]:
    """Return the routes of this tab."""
    return [
        get("/api/text/networks", functools.partial(_networks, state.texts)),
        post("/api/text/read", functools.partial(_read, state.texts), *FIELDS),
    ]


def _networks(texts: TextNetworks) -> dict[str, Any]:
    networks = []
    for network in texts.all():
        described = network.describe()
        described["blocks"] = [{"path": path, "label": label} for path, label in block_labels(network).items()]
        networks.append(described)
    return {"networks": networks}


def block_labels(network: TextNetwork) -> dict[str, str]:
    """Return what the page calls each block, by its path: by its kind, and its number among those of the same kind."""
    layers = primitives(network.model.network)
    labels: dict[str, str] = {}
    for block in network.reader.blocks:
        inside = [layer for path, layer in layers if path.startswith(f"{block}.")]
        attention = any(isinstance(layer, (Attention, CrossAttention)) for layer in inside)
        kind = "attention" if attention else "dense layers"
        labels[block] = f"{kind} {1 + sum(label.startswith(kind) for label in labels.values())}"
    return labels


def _read(texts: TextNetworks, request: RequestFields) -> dict[str, Any]:
    network = texts.get(request.text("network"))
    heads, blocks = _heads_off(request), request.texts("blocks_off", MAX_OFF, [])
    text, start = request.text("text", limit=MAX_TEXT), time.perf_counter()
    with network.lock:
        try:
            tokens = text_tokens(network.model, text)
        except DataError as error:
            return {"unreadable": str(error)}  # which happens while somebody types, and is no error
        if not len(tokens):
            return {"unreadable": "Type the beginning of a text."}
        first = max(0, len(tokens) - network.model.input_shape[0])
        read = functools.partial(network.reader.read, heads_off=heads, blocks_off=blocks)
        reading = read(tokens[first:])
        whole = network.reader.read(tokens[first:]) if heads or blocks else None
        drawn = _drawn(network, request, tokens, reading.logits[-1], lambda all_: read(all_).logits[-1])
    answer = {
        "first": first,
        "tokens": [_token(network, int(token)) for token in reading.tokens],
        **_next(network, reading, whole),
        **_attention(request, reading),
        **_lens(network, request, reading),
        "drawn": drawn,
    }
    return answer | {"milliseconds": 1000 * (time.perf_counter() - start)}


def _heads_off(request: RequestFields) -> list[Head]:
    values = request.values.get("heads_off", [])
    if not isinstance(values, list) or len(values) > MAX_OFF:
        raise DataError(f"heads_off must be a list of at most {MAX_OFF} pairs of a layer and the number of a head")
    for one in values:
        if not isinstance(one, list) or len(one) != 2 or not isinstance(one[0], str) or type(one[1]) is not int:
            raise DataError("heads_off must be a list of pairs of a layer and the number of a head")
    return [(path, head) for path, head in values]


def _token(network: TextNetwork, token: int) -> dict[str, Any]:
    """Return a token as the page shows it: ``text`` is what it adds to the text, None where that is no whole character."""
    stage = network.stage
    if token == stage.separator:
        return {"name": "end of line", "text": None}
    text = stage.tokenizer.decode([token])
    return {"name": stage.tokenizer.name(token), "text": None if UNKNOWN in text else text}


def _next(network: TextNetwork, reading: TokenReading, whole: TokenReading | None) -> dict[str, Any]:
    """Return the tokens that may follow, the most likely ones first, and what the switches change."""
    p = softmax(reading.logits[-1].astype(np.float64))
    before = p if whole is None else softmax(whole.logits[-1].astype(np.float64))
    order = np.argsort(-np.maximum(p, before), kind="stable")[:SHOWN]
    order = order[np.argsort(-p[order], kind="stable")]
    shown = [
        {**_token(network, int(i)), "p": float(p[i]), **({} if whole is None else {"whole": float(before[i])})} for i in order
    ]
    change = None
    if whole is not None:
        i, j = int(before.argmax()), int(p.argmax())
        change = {
            "distance": float(np.abs(p - before).sum() / 2),  # the total variation: the part of the probability that moves
            "best_before": {**_token(network, i), "p": float(p[i]), "whole": float(before[i])},
            "best_now": {**_token(network, j), "p": float(p[j]), "whole": float(before[j])},
        }
    return {"next": shown, "rest": float(max(0.0, 1 - p[order].sum())), "hidden": len(p) - len(order), "change": change}


def _attention(request: RequestFields, reading: TokenReading) -> dict[str, Any]:
    """Return the weights of one head, and those of all at the last positions."""
    if not reading.attention:
        return {"layers": [], "head": None}
    layers = list(reading.attention)
    layer, t = request.text("layer", layers, layers[0]), len(reading.tokens)
    weights = reading.attention[layer]
    head = request.integer("head", 0, len(weights) - 1, 0)
    last = slice(max(0, t - SMALL), t)
    return {
        "layers": [
            {"path": path, "small": [pack(_bytes(one[last, last])) for one in reading.attention[path]]} for path in layers
        ],
        "head": {"layer": layer, "head": head, "weights": pack(weights[head].astype(np.float32))},
    }


def _bytes(weights: Array) -> Array:
    return np.rint(255 * weights).astype(np.uint8)


def _lens(network: TextNetwork, request: RequestFields, reading: TokenReading) -> dict[str, Any]:
    """Return the guesses of what follows one position, before the first block and after each."""
    t = len(reading.tokens)
    position = min(request.integer("position", 0, 10**6, t - 1), t - 1)
    place = position if len(reading.logits) == t else -1
    answer = int(reading.logits[place].argmax())
    lens = []
    for path, logits in reading.lens.items():
        p = softmax(logits[place].astype(np.float64))
        best = np.argsort(-p, kind="stable")[:GUESSES]
        lens.append(
            {
                "path": path,
                "guesses": [{"name": _token(network, int(i))["name"], "p": float(p[i])} for i in best],
                "p": float(p[answer]),
            }
        )
    return {"position": position, "answer": _token(network, answer)["name"], "lens": lens}


def _drawn(network: TextNetwork, request: RequestFields, tokens: Array, z: Array, logits: Any) -> dict[str, Any] | None:
    """Return the text that the network adds, drawn as ``Model.generate`` draws it; None if none is requested.

    Where a token ends within a character, the next ones are drawn too, until one ends with a character, or there are
    ``MAX_DRAWN``: then the whole characters are added. ``logits(tokens)`` are those after more tokens.
    """
    seed = request.integer("seed", 0, 2**31 - 1, None)
    if seed is None:
        return None
    top_k = request.integer("top_k", 0, 10**6, 0)
    sampling = Sampling(request.number("temperature", 0, 100, 1.0), top_k or None)
    key, found, stage, text = rng.stream_key(seed, "generate"), list[int](), network.stage, ""
    stream = TextStream(stage.tokenizer)
    for _ in range(MAX_DRAWN):
        if not np.isfinite(z).all():
            raise ConfigError("the outputs of the network are not finite: its training has diverged")
        count = len(tokens) + len(found)
        token = int(sampling.draw(z[None], np.array([chance(key, count)]))[0])
        if token == stage.separator:
            return {"text": text, "end": not text}  # after a text, the next request ends the line
        found.append(token)
        text += stream.add(token)
        if not stream.holds:
            break
        z = logits(np.concatenate([tokens, found])[-network.model.input_shape[0] :])
    return {"text": text, "end": False}
