"""Unpacking what the program compress packed, files whose names end in .Z: Lempel, Ziv and Welch's dictionary (Welch, "A
Technique for High-Performance Data Compression", 1984).

The text is a row of codes. Codes 0 to 255 are bytes; each further one stands for the text of the code before it and the first
byte of the code after that. Codes begin with 9 bits and grow by one whenever the dictionary has filled that width. A code 256
empties the dictionary. Codes of one width come in groups of eight: what is left of a group when the width changes is filler.
"""

from __future__ import annotations

from pellucid.errors import DataError

MAGIC = b"\x1f\x9d"
_CLEAR, _NARROWEST, _WIDEST = 256, 9, 16


def unpack(packed: bytes, largest: int) -> bytes:
    """The text, at most ``largest`` bytes of it. Raises DataError for what compress did not write."""
    if packed[:2] != MAGIC or len(packed) < 3:
        raise DataError("this is no .Z file")
    widest, clears = packed[2] & 0x1F, bool(packed[2] & 0x80)
    if not _NARROWEST < widest <= _WIDEST:  # told to stay at 9 bits, compress writes some codes of 10
        raise DataError(f"codes of at most {widest} bits: no usual .Z file has those")
    first_free = _CLEAR + 1 if clears else _CLEAR
    table = [bytes([i]) for i in range(256)] + [b""] * clears
    text, size = list[bytes](), 0
    before = b""
    width, group = _NARROWEST, 3 * 8  # where the group of eight codes of this width began, in bits
    at = group
    while at + width <= 8 * len(packed):
        code = _code(packed, at, width)
        at += width
        if clears and code == _CLEAR:
            del table[first_free:]
            before = b""
            width, group, at = _NARROWEST, *_next_group(group, at, width)
            continue
        if code < len(table):
            entry = table[code]
        elif code == len(table) and before:
            entry = before + before[:1]
        else:
            raise DataError("the .Z data is damaged")
        text.append(entry)
        size += len(entry)
        if size > largest:
            raise DataError(f"the .Z data unpacks to more than {largest:,} bytes")
        if before and len(table) < 1 << widest:
            table.append(before + entry[:1])
            if len(table) == 1 << width and width < widest:
                group, at = _next_group(group, at, width)
                width += 1
        before = entry
    return b"".join(text)


def _code(packed: bytes, at: int, width: int) -> int:
    """The ``width`` bits that begin at bit ``at``, the lowest first."""
    start = at >> 3
    return int.from_bytes(packed[start : start + 4], "little") >> (at & 7) & (1 << width) - 1


def _next_group(group: int, at: int, width: int) -> tuple[int, int]:
    """Where the group behind the one at hand begins, twice: the new group, and the new place in it."""
    groups = -(-(at - group) // (8 * width))
    start = group + groups * 8 * width
    return start, start
