"""What all figures have in common: style, alternative texts, and files.

The main colors are blue and vermilion, which people with any color vision can distinguish (Okabe and Ito, 2008). A second
property, such as a dash or a marker, always repeats the distinction. Every figure has an alternative text for people who
cannot see it. It is stored as the label of the figure, and written into files and notebooks.
"""

from __future__ import annotations

import base64
import functools
import html
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, FileError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILION, GREY, GREEN = "#0072B2", "#D55E00", "#6B6B6B", "#009E73"
FRAME = "#CCCCCC"  # around images
CELL = "cell-"  # begins the ids of what is on colored cells and images: its colors do not change on a dark ground
DPI = 160

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


MISSING = "figures need Matplotlib: pip install 'pellucid[plots]'"


def blank_figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, list[Any]]:
    """Return a figure of that size in inches and the list of its axes, row by row.

    The figure is independent of pyplot. Raises ConfigError if Matplotlib is not installed.
    """
    try:
        import matplotlib

        figure_class = _notebook_figure()
    except ImportError:
        raise ConfigError(MISSING) from None
    with matplotlib.rc_context(SETTINGS):
        figure = figure_class(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


@functools.cache
def _notebook_figure() -> type[Figure]:
    """Return a class of figures that notebooks show with their alternative text.

    The class is defined on first use, so that Matplotlib is not imported before a figure is drawn.
    """
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        def _repr_html_(self) -> str:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=DPI)
            data, width = base64.b64encode(file.getvalue()).decode(), round(72 * self.get_figwidth())
            text = html.escape(str(self.get_label()))
            return f'<img alt="{text}" style="max-width:100%;width:{width}px" src="data:image/png;base64,{data}">'

    return NotebookFigure


# -- parts of figures ----------------------------------------------------------------------------------------------


def grid_size(count: int, max_columns: int) -> tuple[int, int]:
    """Return the numbers of columns and rows of a grid for ``count`` panels."""
    columns = min(max_columns, count)
    return columns, -(-count // columns)


def signed_colors() -> Any:
    """Return the color map of signed values: blue below zero, white at zero, vermilion above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", [BLUE, "#FFFFFF", VERMILION])


def show_signed(ax: Any, image: Array, limit: float) -> Any:
    """Draw an image (h, w) of signed values between −limit and limit, and return it."""
    return ax.imshow(image, cmap=signed_colors(), vmin=-limit, vmax=limit)


def show_image(ax: Any, image: Array) -> None:
    """Draw an image (h, w, 1 or 3) of bytes, or of values from 0 to 1. Grey images are drawn dark on light."""
    values = image / 255 if image.dtype == np.uint8 else image
    ax.imshow(1 - values[..., 0] if values.shape[2] == 1 else values, cmap="gray", vmin=0, vmax=1)


def frame_image(ax: Any) -> None:
    """Replace the axes of an image, its ticks and grid, by a thin frame."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color(FRAME)


def few_ticks(axis: Any) -> None:
    """Put at most six ticks on an axis of numbers; large ones are written with commas, so that their labels stay apart."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    low, high = sorted(axis.get_view_interval())
    if max(abs(low), abs(high)) >= 10_000 and max(abs(low), abs(high)) < 1e9 and high - low >= 10:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace("-", "−")))


def name_dates(axis: Any) -> None:
    """Put at most six ticks on an axis of days since 1970, which are written as dates."""
    from matplotlib import dates

    found: Any = dates  # its classes have no types
    locator = found.AutoDateLocator(minticks=3, maxticks=6)
    axis.set_major_locator(locator)
    axis.set_major_formatter(found.ConciseDateFormatter(locator))


# -- alternative texts ---------------------------------------------------------------------------------------------


def with_alt(figure: Figure, text: str) -> Figure:
    """Set the alternative text of a figure, and return the figure. Its own texts are finished, too: a dollar sign is one."""
    _show_dollars(figure)
    figure.set_label(text)
    return figure


def _show_dollars(figure: Figure) -> None:
    """Let texts with dollar signs be shown as they are: names of columns and classes contain some, and are no formulas.

    Without this, Matplotlib reads what is between two of them as mathematics. The labels of logarithmic axes, which it writes
    so itself, stay formulas.
    """
    import matplotlib
    from matplotlib.text import Text

    with matplotlib.rc_context(SETTINGS):  # of the ticks that are made here
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            if "$" in text.get_text() and r"\mathdefault" not in text.get_text():
                text.set_parse_math(False)


def legend_label(name: str) -> str:
    """Return a name as the label of an artist in a legend. Matplotlib leaves out labels that begin with an underscore.

    A zero-width space is before such a name.
    """
    return f"\u200b{name}" if name.startswith("_") else name


def alt(figure: Figure) -> str:
    """Return the alternative text of a figure: a description for people who cannot see it.

    ``figure.set_label(text)`` replaces it. Figures that were not made by this package have none, or their own label.
    """
    return str(figure.get_label())


def join_names(names: Iterable[object], limit: int = 6) -> str:
    """Return the names as ``a, b and c``. If there are more than ``limit``, the last ones are only counted."""
    words = [str(name) for name in names]
    if len(words) > limit:
        words = [*words[: limit - 1], f"{len(words) - limit + 1} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# -- files ---------------------------------------------------------------------------------------------------------


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file, with its alternative text. The suffix of the file name determines the format.

    The text is the ``Description`` of a PNG file or an SVG file, and the label of an SVG file for screen readers. Raises
    FileError for an unknown format, and if the file cannot be written.
    """
    import matplotlib

    path, text = Path(path), alt(figure)
    suffix = path.suffix.lower()
    metadata = {"Description": text} if text and suffix in (".png", ".svg") else None
    try:
        with matplotlib.rc_context(SETTINGS):
            if suffix == ".svg":
                svg = io.StringIO()
                figure.savefig(svg, format="svg", metadata=metadata)
                path.write_text(with_svg_label(svg.getvalue(), text), encoding="utf-8")
            else:
                figure.savefig(path, dpi=DPI, metadata=metadata)
    except ValueError as error:  # a format that Matplotlib does not support
        raise FileError(f"cannot write {path}: {error}; name the file .png or .svg") from None
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error


def with_svg_label(svg: str, text: str) -> str:
    """Return an SVG file that is marked as an image, with ``text`` as its label for screen readers."""
    label = html.escape(text).replace("\n", " ")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1) if text else svg
