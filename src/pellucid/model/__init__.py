"""Models and operations on whole models.

- ``model.py``: :class:`~pellucid.model.model.Model`: training, prediction, evaluation, files, export
- ``file.py``: the settings and arrays in a model file
- ``compatibility.py``: the check that a loss fits the last layers of a network
- ``summary.py``: the table of layers
- ``activations.py``: the output of every layer for some samples
- ``generation.py``: the tokens that a language model writes after others
- ``generated.py``: the forms of prompts, and of what follows them: tokens or text
- ``ensemble.py``: the mean of several models' outputs
- ``transfer.py``: copies parameters from one model to another, for fine-tuning
- ``perceptron.py``: Rosenblatt's perceptron, which is not trained by gradients
"""
