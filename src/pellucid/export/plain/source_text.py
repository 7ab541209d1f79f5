"""Source text that C and JavaScript have in common: comments that end where they should, and wrapped lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

WIDTH = 120


def plain_text(text: str) -> str:
    """Return the text on one line, without characters that could end a comment or that are not printable."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    words = " ".join(printable.split())
    for ending in ("*/", "/*", "??", "</", "<!"):  # of a comment, a trigraph, and in a page the script itself
        words = words.replace(ending, " ".join(ending))
    return words if len(words) <= WIDTH - 8 else f"{words[: WIDTH - 11]}..."


def filled(items: Iterable[str], separator: str = ", ", width: int = WIDTH, indent: str = "    ") -> list[str]:
    """Return the items, each but the last with the separator after it, on indented lines of at most that width."""
    lines: list[str] = []
    line = ""
    parts = list(items)
    for i, item in enumerate(parts):
        item += separator.rstrip() if i + 1 < len(parts) else ""
        if line and len(indent) + len(line) + 1 + len(item) > width:
            lines.append(indent + line)
            line = item
        else:
            line = f"{line} {item}" if line else item
    return [*lines, indent + line] if line else lines


def call_lines(start: str, arguments: Sequence[str], end: str, indent: str = "    ") -> list[str]:
    """Return the lines of a call: on one line if it fits."""
    line = f"{indent}{start}{', '.join(arguments)}{end}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{indent}{start}", *filled(arguments, indent=indent * 2), f"{indent}{end}"]
