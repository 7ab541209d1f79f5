"""Export of a trained network as one web page, which works without a server and requests nothing.

- ``exporter.py``: the page, put together and written;
- ``description.py``: what the page asks for and what it shows, found from the network, its input stage and its loss;
- ``scripts.py``: the scripts that a page needs, joined to one;
- ``template.html``, ``page.css`` and the scripts: ``draw.js``, ``table.js``, ``series.js``, ``pictures.js`` and ``numbers.js``
  begin the page of one kind of input. The page of the drawing mode uses ``dom.js``, ``pad.js`` and ``rendering.js`` too.
"""
