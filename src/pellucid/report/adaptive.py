"""Figures for pages that are light or dark: an SVG whose colours follow the reader's scheme."""

from __future__ import annotations

from pellucid.plots.style import BLUE, CELL, GREEN, GREY, VERMILION

# On a dark ground the colours of figures need more light; the hues stay those of Okabe and Ito.
DARK = {
    "#000000": "#e8ecf0",
    "#ffffff": "#14181c",
    "#e3e3e3": "#343d46",
    "#cccccc": "#5a6570",
    BLUE: "#6fb7f0",
    VERMILION: "#ff9a57",
    GREEN: "#4fd6ab",
    GREY: "#b3bcc6",
    "#cc79a7": "#eba9ce",
    "#8c564b": "#c99a8f",
    "#5b2a86": "#b48ede",
    "#c8102e": "#ff7a8a",
}


def adaptive(svg: str) -> str:
    """Return a figure of this package with a style that changes its colours where the reader's scheme is dark.

    An image in it, such as the cells of a confusion matrix, stays as it is, and so does what is on it, such as the texts on its
    cells.
    The style is in the file, so it works in an ``<img>``, which the styles of the page do not reach.
    """
    elsewhere = f':not([id^="{CELL}"] *)'
    rules = [f"text{elsewhere}{{fill:#e8ecf0}}"]
    for light, dark in DARK.items():
        for what in ("fill", "stroke"):
            if (style := f"{what}: {light.lower()}") in svg:
                rules.append(f'[style*="{style}"]{elsewhere}{{{what}:{dark}!important}}')
    start = svg.index(">", svg.index("<svg ")) + 1
    return f"{svg[:start]}<style>@media (prefers-color-scheme:dark){{{''.join(rules)}}}</style>{svg[start:]}"
