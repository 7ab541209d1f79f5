"""Training, prediction and evaluation of a network on its vectors of parameters.

- ``state.py``: the network with its vectors; ``execution.py``: runs it forward and backward
- ``step.py``: the gradient of one batch; ``perturbation.py``: estimates of it without back-propagation
- ``loop.py``: the generator of events; ``events.py``: the events and the history; ``trainer.py``: data checked and batched
- ``options.py``: the options of a training; ``inputs.py``: checks of users' data; ``class_weight.py``
- ``policies.py``, ``averaging.py``: early stopping, reduction of the learning rate, averages of the parameters
- ``learning_rate_finder.py``: the range test; ``divergence.py``: the error that names the first layer that is not finite
- ``prediction.py``: outputs and scores; ``evaluation.py``: what ``evaluate`` returns
- ``progress.py``: bars and lines; ``threads.py``, ``blas.py``: how many threads are used
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
