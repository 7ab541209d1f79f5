"""Public reports about saving and loading: what users did, and what happens here."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from pellucid import ConfigError, Dense, FileError, FunctionLoss, Model, Sequential, VersionError
from pellucid.training import Checkpoint, EarlyStopping
from tests.reports.small_data import LABELS, NUMBERS, X, classifier


def test_checkpoints_into_a_folder_that_is_not_there(tmp_path):
    """ModelCheckpoint cannot create its file where the folder is missing; the request is to create the folder.

    Source: keras-team/keras#12484. Right: a policy that writes during the training makes its folder.
    """
    classifier().fit(X, LABELS, policies=[Checkpoint(tmp_path / "model" / "time03-15")])
    assert list((tmp_path / "model" / "time03-15").glob("*.pellucid"))


def test_saving_into_a_folder_that_is_not_there(tmp_path):
    """model.save into a missing folder, after the training: "errno = 2, error message = 'no such file or directory'".

    Source: keras-team/keras#6630. Right: the message says which folder to create, and the model can be saved again.
    """
    model = classifier()
    with pytest.raises(FileError, match=r"there is no folder .*autoencoder5-13; create it first"):
        model.save(tmp_path / "autoencoder5-13" / "model_ae16.pellucid")
    (tmp_path / "autoencoder5-13").mkdir()
    model.save(tmp_path / "autoencoder5-13" / "model_ae16.pellucid")


def test_a_weights_file_that_was_cut_off(tmp_path):
    """A truncated file of weights: "Unable to open file (truncated file: eof = 98304, sblock->base_addr = 0)".

    Source: keras-team/keras#8546. Right: every shorter file is refused, and the message says that the file is not complete.
    """
    classifier().save(tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    for length in (0, 5, 8, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(FileError, match="is not a complete Pellucid model file"):
            Model.load(tmp_path / "cut")


def test_an_interruption_while_the_newest_checkpoint_was_written(tmp_path):
    """BackupAndRestore cannot load its weights after some interruptions, so the training cannot go on.

    Source: keras-team/keras#20463. Right: the training goes on from the newest checkpoint that is whole, to the same bits.
    """
    whole, broken = classifier(), classifier()
    whole.fit(X, LABELS, epochs=3)
    checkpoint = Checkpoint(tmp_path, keep=3, every_seconds=None, cost=1.0)
    broken.fit(X, LABELS, epochs=3, policies=[checkpoint])
    _, *others = sorted(tmp_path.glob("checkpoint-*.pellucid"))
    assert len(others) == 2
    for one in others:
        one.write_bytes(one.read_bytes()[:-200])
    resumed = classifier()
    resumed.fit(X, LABELS, epochs=3, policies=[checkpoint], resume=tmp_path)
    assert np.array_equal(resumed.parameters, whole.parameters)


def own_loss(outputs, targets):
    """The squared error and its gradient."""
    return ((outputs - targets) ** 2).mean(axis=-1), 2 * (outputs - targets) / outputs.shape[-1]


def test_a_loss_of_ones_own_after_loading(tmp_path):
    """A model that was compiled with an own loss is saved and cannot be loaded: "Unknown loss function: compute_loss".

    Source: keras-team/keras#5916. Right: the message names the loss and the argument that it is given by.
    """
    model = Sequential(Dense(1)).compile((4,), FunctionLoss(own_loss), seed=0)
    model.fit(X, NUMBERS[:, None], epochs=2)
    model.save(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"own_loss.*custom_classes"):
        Model.load(tmp_path / "model")
    loaded = Model.load(tmp_path / "model", custom_classes=[own_loss])
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.evaluate(X, NUMBERS[:, None]) == model.evaluate(X, NUMBERS[:, None])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"])
def test_a_trained_model_is_pickled(duplicate):
    """joblib.dump of a trained model ends in "can't pickle _thread.lock objects".

    Source: keras-team/keras#8343. Right: a copy predicts the same and trains on with the same steps, without the original.
    """
    model = classifier()
    model.fit(X, LABELS, epochs=2, validation=(X, LABELS), policies=[EarlyStopping()])
    before = model.parameters.copy()
    other = duplicate(model)
    assert np.array_equal(other.predict(X), model.predict(X))
    assert other.history.rows == model.history.rows
    other.fit(X, LABELS)
    assert np.array_equal(model.parameters, before)
    model.fit(X, LABELS)
    assert np.array_equal(other.parameters, model.parameters)
    assert other.history["train_loss"] == model.history["train_loss"]


def test_training_goes_on_after_loading(tmp_path):
    """load_model returns a model whose optimizer is in the state before its first step.

    Source: keras-team/tf-keras#70. Right: a file with the training state continues with the steps that would have followed.
    """
    model = classifier()
    model.fit(X, LABELS, epochs=3)
    model.save(tmp_path / "model", training_state=True)
    loaded = Model.load(tmp_path / "model")
    for one in (model, loaded):
        one.fit(X, LABELS, epochs=2)
    assert np.array_equal(loaded.parameters, model.parameters)
    assert loaded.history["train_loss"] == model.history["train_loss"]


def test_a_file_of_a_newer_version(tmp_path, monkeypatch):
    """The message should be "your model has IR version 8, but we support up to IR 7"; it has neither number.

    Source: microsoft/onnxruntime#8796. Right: the message has both formats, and the version that reads the file.
    """
    with monkeypatch.context() as newer:
        newer.setattr("pellucid.model.file.FORMAT", 8)
        newer.setattr("pellucid.model.file.NEEDS", "9.1.0")
        classifier().save(tmp_path / "model")
    with pytest.raises(
        VersionError, match=r"its format is 8, and this version, .*, reads format 1\. It needs Pellucid 9\.1\.0"
    ):
        Model.load(tmp_path / "model")
