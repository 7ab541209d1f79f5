"""HTML for notebooks: tables, images and small charts in SVG, without scripts.

Text has the colour of the page around it, backgrounds are transparent, and lines are half transparent, so that everything is
readable on light and on dark pages. Styles are attributes of the elements, so that nothing else on the page changes.

- ``tables``: titles, paragraphs and tables;
- ``charts``: curves with axes and a legend;
- ``images``: images, each grid as one PNG file inside the page;
- ``datasets``, ``histories``, ``attributions``: the views of these objects, from plain values.
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
