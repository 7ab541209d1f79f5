"""The drawing mode: a server on this machine, and the page it shows.

server.py        the application: all routes, and how it is started
guards.py        what is refused before any of our code sees it
body.py          what a request may say, and how an answer or an error is given
networks.py      the trained networks the page can ask
drawing.py       the tab Draw: guesses, corrections
inside.py        the tab Inside: every layer's state, and the weights between them
why.py           the tab Why: attributions
playing.py       the tab Playground, with playground.py: small networks on points in a plane
training.py      the tab Train, with jobs.py, job.py and worker.py: the queue, one training, and the process it runs in
comparing.py     the tab Compare
static/          the page: plain ES modules, no build step
"""
