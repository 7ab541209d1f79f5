"""The drawing mode: a web server on this machine, and the page that it serves.

server.py        the application with all routes, and the web server
guards.py        the checks of every request before any other code runs
api.py           routes that answer with JSON: request fields, errors, packed arrays
state.py         what the server works with: networks, corrections, training jobs
networks.py      the trained networks
tabs/            the routes of each tab of the page
static/          the page: ES modules and style sheets without a build step; static/tabs/ has the files of each tab

All files of a tab begin with its name, in tabs/ and in static/tabs/. A new tab needs a module with a function
``routes(state)`` in ``server.TABS``, a button and a section in index.html, and its name in main.js.
"""
