"""The look of all figures: blue and vermilion (told apart by everybody, Okabe and Ito, 2008), and always a second mark.

Every figure carries its alternative text, for who cannot see it: as its label, from where it goes into files and notebooks.
"""

from __future__ import annotations

import html
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.errors import ConfigError, FileError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILION, GREY, GREEN = "#0072B2", "#D55E00", "#6B6B6B", "#009E73"

SETTINGS: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
}


def figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, list[Any]]:
    """A figure of that size in inches with axes in rows, one list of them all. It belongs to the caller, not to pyplot."""
    try:
        import matplotlib

        from pellucid.plots.shown import Shown
    except ImportError:
        raise ConfigError("figures need Matplotlib: pip install 'pellucid[plots]'") from None
    with matplotlib.rc_context(SETTINGS):
        made = Shown(figsize=(width, height), layout="constrained")
        axes = made.subplots(rows, columns, squeeze=False)
    return made, list(axes.flat)


def described(made: Figure, text: str) -> Figure:
    """The figure, with its alternative text."""
    made.set_label(text)
    return made


def alt(made: Figure) -> str:
    """The alternative text of a figure: what it shows, in words, for who cannot see it. (``figure.set_label(text)`` gives
    another one; empty for figures that are not from here.)"""
    return str(made.get_label())


def listed(names: Iterable[object], most: int = 6) -> str:
    """``a, b and c``; of many the first ones and how many more there are."""
    words = [str(name) for name in names]
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def save(made: Figure, path: str | Path) -> None:
    """Writes a figure as PNG or SVG, by the name's ending, with its alternative text inside: in the PNG's ``Description``, in
    the SVG's too, and as the label that a screen reader reads. Raises FileError."""
    import matplotlib

    path, text = Path(path), alt(made)
    kind = path.suffix.lower()
    metadata = {"Description": text} if text and kind in (".png", ".svg") else None
    try:
        with matplotlib.rc_context(SETTINGS):
            if kind == ".svg":
                drawn = io.StringIO()
                made.savefig(drawn, format="svg", metadata=metadata)
                path.write_text(labelled(drawn.getvalue(), text), encoding="utf-8")
            else:
                made.savefig(path, dpi=160, metadata=metadata)
    except ValueError as error:  # a format that Matplotlib does not know
        raise FileError(f"cannot write {path}: {error}; name it .png or .svg") from None
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error


def labelled(svg: str, text: str) -> str:
    """An SVG file whose drawing says that it is a picture, and of what."""
    said = html.escape(text).replace("\n", " ")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{said}" ', 1) if text else svg
