"""The look of all figures: blue and vermilion (told apart by everybody, Okabe and Ito, 2008), and always a second mark."""

from __future__ import annotations

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
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("figures need Matplotlib: pip install 'pellucid[plots]'") from None
    with matplotlib.rc_context(SETTINGS):
        made = Figure(figsize=(width, height), layout="constrained")
        axes = made.subplots(rows, columns, squeeze=False)
    return made, list(axes.flat)


def save(made: Figure, path: str | Path) -> None:
    """Writes a figure as PNG or SVG, by the name's ending."""
    import matplotlib

    try:
        with matplotlib.rc_context(SETTINGS):
            made.savefig(path, dpi=160)
    except ValueError as error:  # a format that Matplotlib does not know
        raise FileError(f"cannot write {path}: {error}; name it .png or .svg") from None
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error
