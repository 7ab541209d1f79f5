"""Models, and what is done with whole models.

- ``model.py``: :class:`~pellucid.model.model.Model`: train, predict, evaluate, save, export
- ``file.py``: the contents of a model file
- ``compatibility.py``: which loss fits which network
- ``summary.py``: the table of layers
- ``activations.py``: the output of every layer
- ``ensemble.py``: the mean of several models
- ``transfer.py``: parameters of one model for another (fine-tuning)
- ``perceptron.py``: Rosenblatt's perceptron, which is not trained by gradients
"""
