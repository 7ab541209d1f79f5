"""Mutations: random changes of bytes, texts and JSON values, drawn from a ``random.Random``, so that they can be repeated."""

from __future__ import annotations

import copy
import string
from collections.abc import Sequence
from random import Random
from typing import Any


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 8, 10, 16, 100, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536),
    *(2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 10**18, 10**30, 10**400, -(2**31), -(2**63)),
)
FRACTIONS = (0.0, -0.0, 0.5, 1.0, -1.0, 0.1, 1e-3, 1e-12, 1e-45, 1e-320, 1.5, 3.4e38, 1e39, 1.8e308, -1e308, 1 - 1e-16, 2.5e-8)
TEXTS = (
    *words("a 0 -1 1e999 nan inf None true a,b a;b quo\"te ' ../.. / %s%n {} ${HOME} class input dense1 layer.W a/b"),
    *("", " ", "\n", "\\", "x" * 300, "é", "日本", "٣", "𝟙", "\ufeff", "\u2028", "\x00"),
    "\ud800",  # the last one: half a character, which UTF-8 cannot express
)


def mutated_bytes(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Return ``data`` with one to four changes; ``others`` are files of the same kind that parts are taken from."""
    result = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        _change_bytes(random, result, others)
    return bytes(result)


def _change_bytes(random: Random, data: bytearray, others: Sequence[bytes]) -> None:
    kind, n = random.randrange(9), len(data)
    at = random.randrange(n) if n else 0
    if random.random() < 0.3:  # the fields that decide about sizes are at the start
        at = min(at, random.randrange(64))
    length = min(random.choice((1, 1, 2, 4, 8, 16, 64, 256)), n - at)
    if kind == 0 and n:
        data[at] ^= 1 << random.randrange(8)
    elif kind == 1 and n:
        data[at] = random.choice((0, 1, 127, 128, 255, random.randrange(256)))
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        del data[at : at + length]
    elif kind == 4:
        data[at:at] = data[at : at + length] * random.choice((1, 1, 2, 100))
    elif kind == 5:
        data[at:at] = random.randbytes(random.choice((1, 2, 4, 16)))
    elif kind == 6:
        size = random.choice((1, 2, 4, 8))
        number = random.choice(NUMBERS) % 256**size
        data[at : at + size] = number.to_bytes(size, random.choice(("little", "big")))
    elif kind == 7:
        data += random.choice((b"\0", random.randbytes(8), bytes(64)))
    elif others:
        other = random.choice(others)
        start = random.randrange(len(other)) if other else 0
        data[at : at + length] = other[start : start + random.choice((4, 16, 64, 256))]


def mutated_text(random: Random, text: str, words: Sequence[str] = ()) -> str:
    """Return ``text`` with one to four changes; ``words`` are parts that belong to its language."""
    for _ in range(random.choice((1, 1, 2, 3, 4))):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.choice((0, 0, 1, 1, 2, 5, 20)))
        kind = random.randrange(6)
        if kind == 0:
            new = random.choice(string.printable)
        elif kind == 1:
            new = random.choice(TEXTS)
        elif kind == 2:
            new = str(random.choice((*NUMBERS, *FRACTIONS)))
        elif kind == 3:
            new = text[at:end] * random.choice((2, 3, 50))
        elif kind == 4:
            new = ""
        else:
            new = random.choice(words) if words else text[: random.randrange(len(text) + 1)]
        text = text[:at] + new + text[end:]
    return text


def mutated_json(random: Random, value: Any, pieces: Sequence[Any] = (), names: Sequence[str] = ()) -> Any:
    """Return a copy of a JSON value with one to three changes at random places in it.

    ``pieces`` are values that may take the place of others, and ``names`` are strings that mean something in such values.
    """
    root = [copy.deepcopy(value)]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(root))
        where, key = random.choice(places)
        kind = random.randrange(10)
        old = where[key]
        if kind == 0 and where is not root:
            del where[key]
        elif kind == 1 and isinstance(where, dict):
            where[random.choice((*TEXTS, *names) if names else TEXTS)] = where.pop(key)
        elif kind == 2 and isinstance(old, list):
            old += copy.deepcopy(old) * random.choice((1, 1, 20))
        elif kind == 3 and isinstance(old, list):
            random.shuffle(old)
        elif kind == 4:
            other, place = random.choice(places)
            where[key] = copy.deepcopy(other[place])
        elif kind == 5 and pieces:
            where[key] = copy.deepcopy(random.choice(pieces))
        elif kind == 6 and names and isinstance(old, str):
            where[key] = random.choice(names)
        elif kind == 7 and isinstance(old, (int, float)) and not isinstance(old, bool):
            changes = [old + 1, old - 1, -old, 2 * old]
            where[key] = random.choice(changes if abs(old) > 1e300 else [*changes, old / 2, float(old)])
        elif kind == 8:
            where[key] = random.choice(([old], {"class": old}, [old, old], {"a": old}))
        else:
            where[key] = random_json(random)
    return root[0]


def _places(value: Any) -> Any:
    """Yield (container, key) for all values inside ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield value, key
        yield from _places(one)


def random_json(random: Random) -> Any:
    """Return a small JSON value, of those that often are not expected."""
    kind = random.randrange(8)
    if kind == 0:
        return random.choice((None, True, False))
    if kind == 1:
        return random.choice(NUMBERS)
    if kind == 2:
        return random.choice(FRACTIONS)
    if kind == 3:
        return random.choice(TEXTS[:-1])
    if kind == 4:
        return [random.choice(NUMBERS) for _ in range(random.choice((0, 1, 2, 3, 10)))]
    if kind == 5:
        return {random.choice(TEXTS[:-1]): random.choice(NUMBERS) for _ in range(random.choice((0, 1, 2)))}
    if kind == 6:
        return [[random.choice(NUMBERS)]] * random.choice((1, 2, 50))
    nested: Any = random.choice(NUMBERS)
    for _ in range(random.choice((3, 30, 120))):
        nested = [nested]
    return nested
