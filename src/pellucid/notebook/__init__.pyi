"""The exports of ``pellucid.notebook``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.notebook.charts import (
    BLUE as BLUE,
    GREY as GREY,
    VERMILION as VERMILION,
    Curve as Curve,
    chart as chart,
)
from pellucid.notebook.images import encode_png as encode_png, image_grid as image_grid
from pellucid.notebook.positions import class_maps as class_maps, over_positions as over_positions
from pellucid.notebook.tables import paragraph as paragraph, section as section, table as table
