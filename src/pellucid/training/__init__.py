"""Training, prediction and evaluation of a network on its vectors of parameters.

The network and its vectors:

- ``state.py``: the network, loss and optimizer of a model, and the vectors that training changes
- ``execution.py``: forward and backward passes of a network
- ``threads.py``, ``blas.py``: how many threads a pass uses

Training:

- ``options.py``: the options of ``Model.fit``; ``inputs.py``: checks of user data; ``class_weight.py``: weights of classes
- ``streamed.py``: batches from a program, checked one by one
- ``trainer.py``: checks the data, makes the batches and starts the loop
- ``step.py``: the gradient of one batch; ``perturbation.py``: estimates of it without backpropagation
- ``parts.py``: the gradient of a batch that is computed in parts; ``ranks.py``: processes that compute them, over MPI;
  ``lockstep.py``: checks that these stay together
- ``loop.py``: epochs and batches, as a generator of events; ``events.py``: the events and the history
- ``full_batch.py``: the loop of L-BFGS, on the whole training set at once
- ``policies.py``, ``averaging.py``: early stopping, reduction of the learning rate, averages of the parameters
- ``divergence.py``: the error for a loss or gradient that is not finite
- ``learning_rate_finder.py``: the range test
- ``progress.py``: progress bars, and Ctrl-C

Use:

- ``prediction.py``: outputs and scores of a model; ``evaluation.py``: the result of ``Model.evaluate``
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
