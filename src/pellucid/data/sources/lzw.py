"""Decompression of .Z files, which the program ``compress`` writes.

The method is LZW, the dictionary method of Lempel, Ziv and Welch (Welch, "A Technique for High-Performance Data Compression",
1984). The data is a sequence of codes. Codes 0 to 255 are bytes. Each further code represents the text of one code and the
first byte of the code after it, in the order in which these pairs occur. Codes have 9 bits at first, and grow by one bit
whenever the dictionary has as many entries as codes of that width. The code 256 empties the dictionary. Codes of one width are
written in groups of eight; when the width changes, the rest of the group is padding.
"""

from __future__ import annotations

from pellucid.errors import DataError

MAGIC = b"\x1f\x9d"
_CLEAR, _NARROWEST, _WIDEST = 256, 9, 16


def unpack(packed: bytes, max_size: int) -> bytes:
    """Return the uncompressed data.

    Raises DataError for data that compress did not write, and if the result has more than ``max_size`` bytes.
    """
    if packed[:2] != MAGIC or len(packed) < 3:
        raise DataError("this is not a .Z file")
    widest, clears = packed[2] & 0x1F, bool(packed[2] & 0x80)
    if not _NARROWEST < widest <= _WIDEST:  # with a limit of 9 bits, compress writes some codes of 10
        raise DataError(f"codes of at most {widest} bits are not supported: .Z files have 10 to {_WIDEST}")
    first_free = _CLEAR + 1 if clears else _CLEAR
    table = [bytes([i]) for i in range(256)] + [b""] * clears
    text, size = list[bytes](), 0
    previous = b""
    width, group = _NARROWEST, 3 * 8  # the bit where the current group of eight codes begins
    at = group
    while at + width <= 8 * len(packed):
        code = _code(packed, at, width)
        at += width
        if clears and code == _CLEAR:
            del table[first_free:]
            previous = b""
            width, group, at = _NARROWEST, *_next_group(group, at, width)
            continue
        if code < len(table):
            entry = table[code]
        elif code == len(table) and previous:
            entry = previous + previous[:1]
        else:
            raise DataError("the .Z data is damaged")
        text.append(entry)
        size += len(entry)
        if size > max_size:
            raise DataError(f"the .Z data unpacks to more than {max_size:,} bytes")
        if previous and len(table) < 1 << widest:
            table.append(previous + entry[:1])
            if len(table) == 1 << width and width < widest:
                group, at = _next_group(group, at, width)
                width += 1
        previous = entry
    return b"".join(text)


def _code(packed: bytes, at: int, width: int) -> int:
    """Return the ``width`` bits that begin at bit ``at``, the lowest bit first."""
    start = at >> 3
    return int.from_bytes(packed[start : start + 4], "little") >> (at & 7) & (1 << width) - 1


def _next_group(group: int, at: int, width: int) -> tuple[int, int]:
    """Return the new group and the new position, which are both the bit where the next group begins."""
    groups = -(-(at - group) // (8 * width))
    start = group + groups * 8 * width
    return start, start
