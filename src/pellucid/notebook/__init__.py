"""How things show themselves in a notebook: tables and small charts as HTML and SVG, without a script.

Text takes the colour of the page around it, grounds are transparent and lines half so: what is light on dark in one notebook is
dark on light in the next. Styles stand in the elements themselves, so that nothing else on the page changes.
"""

from pellucid.notebook.charts import BLUE, GREY, VERMILION, Line, chart
from pellucid.notebook.tables import line, page, table

__all__ = ["BLUE", "GREY", "VERMILION", "Line", "chart", "line", "page", "table"]
