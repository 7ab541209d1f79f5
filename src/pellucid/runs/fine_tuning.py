"""Fine-tuning: a run that starts from the network and the parameters of another run, or of a model file."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid.data import Dataset
from pellucid.data.dataset import Origin
from pellucid.data.sources.user_data import ReadOptions
from pellucid.data.tables.columns import VALUE, Column, TableStage
from pellucid.data.text import Tokenizer, Tokens
from pellucid.errors import ConfigError, ShapeError
from pellucid.layers import Dense, DensePerPosition, Layer, Softmax
from pellucid.model.model import Model
from pellucid.model.several import refuse_several
from pellucid.model.summary import rows_of
from pellucid.model.transfer import transfer
from pellucid.networks import Composite, Graph, Members, Node, Sequential, trailing_layers, without_last_layer
from pellucid.optim import Adam
from pellucid.runs.folder import open_run
from pellucid.runs.presets import PRESETS
from pellucid.runs.recipe import Recipe
from pellucid.runs.task import has_unit, with_softmax
from pellucid.training.options import FitOptions

WINDOWS, LINES = "text in windows", "lines of text"


@dataclasses.dataclass(frozen=True)
class Start:
    """The trained model that a run starts from, and the name of its preset.

    The new network is that of the model. If the new data has the same classes in the same order, or if both tasks are
    regressions, it has the same last layer too; otherwise the last Dense gets one output for each of the new classes, and new
    parameters. Text is read with the tokenizer of the model, and in windows of its length, so that the network is the same.
    Everything else is taken over: the other parameters, running statistics, and the input stage. The state of the
    optimizer is not, and neither are the settings of the other run: those of its preset apply, or Adam for other networks.
    """

    path: str
    model: Model
    preset: str

    @classmethod
    def open(cls, path: str | Path) -> Start:
        """Read a run folder or a model file. Raises FileError, and ConfigError for a model with several inputs or outputs."""
        model, config = open_run(path)
        refuse_several(model.network, f"--from {path}")
        return cls(str(path), model, str(config.get("preset", Path(path).stem)))

    def recipe(self) -> Recipe:
        """Return the recipe of the new run: the network, with the optimizer and the options of the preset where it is known."""
        known = PRESETS.get(self.preset)
        about = f"the network of {self.path}"
        context = self.context if len(self.model.output_shape) > 1 else None  # of a language model
        if known is None:
            return Recipe(about, self.network, Adam(), FitOptions(epochs=10, batch_size=100), context=context)
        return dataclasses.replace(known, about=about, network=self.network, context=context)

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer of the model, None if it does not read text."""
        stage = self.model.input_stage
        return stage.tokenizer if isinstance(stage, Tokens) else None

    @property
    def context(self) -> int | None:
        """The number of tokens that the model reads at once, None if it does not read text."""
        return None if self.tokenizer is None else self.model.input_shape[0]

    def network(self, outputs: int) -> Composite:
        """Return the network with this number of outputs: classes or targets.

        The network of a regression keeps its unit for as many targets; the task replaces it where these are classes.
        """
        network = self.model.network
        whole = network if isinstance(network, Composite) else Sequential(network)
        if len(self.model.output_shape) > 1:  # of a forecast or an image: the task checks the shape
            return whole
        if self.model.output_shape == (outputs,):
            return whole
        whole = with_softmax(whole) if has_unit(whole) else whole
        if outputs == 1 and isinstance(trailing_layers(whole)[-1], Softmax):  # of one number there are no shares
            body = without_last_layer(whole)
            whole = body if isinstance(body, Composite) else Sequential(body)
        changed = _with_units(whole, outputs)
        if not isinstance(changed, Composite):
            raise ConfigError(
                f"--from {self.path}: its network has the outputs {self.model.output_shape}, and the data needs {outputs}, but "
                "only a network that ends in Dense, followed by layers without parameters, gets a new last layer"
            )
        return changed

    def table_options(self, options: ReadOptions) -> ReadOptions:
        """Return the options for a new table: missing values are treated as for the model, unless the options say otherwise.

        Raises ConfigError for a treatment that the model does not have.
        """
        stage = self.model.input_stage
        if not isinstance(stage, TableStage) or stage.series is not None:
            return options
        missing = stage.missing if options.missing is None else options.missing
        try:
            stage.for_table(missing, stage.target, stage.header, stage.targets)
        except ConfigError:
            how = "mean and standard deviation" if missing == VALUE else "the median and the quartiles"
            instead = "mean" if missing == VALUE else VALUE
            raise ConfigError(
                f"--missing {missing}: --from takes the scaling of {self.path}, by {how}, which does not go with it; "
                f"use --missing {instead}, or drop"
            ) from None
        return dataclasses.replace(options, missing=missing)

    def read_options(self, options: ReadOptions) -> ReadOptions:
        """Return the options with the size and colours of the model's images, where they are not given."""
        if len(self.model.input_shape) != 3:
            return options
        height, width, channels = self.model.input_shape
        colour = {1: "grey", 3: "colour"}.get(channels)
        return dataclasses.replace(options, size=options.size or (height, width), colour=options.colour or colour)

    @property
    def columns(self) -> tuple[Column, ...] | None:
        """The columns of the table that the model was trained on, which a new table has too; None for other data."""
        stage = self.model.input_stage
        return stage.columns if isinstance(stage, TableStage) and stage.series is None else None

    def check(self, data: Dataset) -> None:
        """Raise ShapeError for samples of another shape than those of the model, ConfigError for another forecast, and for text
        where the model reads none, or the reverse, or lines in place of windows."""
        kinds = _kind_of_text(self.model.input_stage), _kind_of_text(None if data.origin is None else data.origin.tokens)
        if kinds[0] != kinds[1]:
            advice = {(LINES, WINDOWS): "; add --lines", (WINDOWS, LINES): "; leave --lines out"}.get(kinds, "")
            raise ConfigError(f"--from {self.path}: the model was trained on {kinds[0]}, and the data is {kinds[1]}{advice}")
        shape = self.model.input_shape
        if data.shape != shape:
            same = {1: "the same columns", 2: f"the same columns and --window {shape[0]}"}
            needed = same.get(len(shape), "images of the same size and colours")
            raise ShapeError(
                f"--from {self.path}: the model was trained on samples of the shape {shape}, and the data has {data.shape}; it "
                f"needs {needed}"
            )
        stage, layout = self.model.input_stage, None if data.origin is None else data.origin.series
        known = stage.series if isinstance(stage, TableStage) else None
        if (layout is None) != (known is None) or (
            layout is not None and known is not None and layout.targets != known.targets
        ):
            forecast, wanted = (", ".join(one.targets) if one else "no series" for one in (known, layout))
            raise ConfigError(f"--from {self.path}: the model forecasts {forecast}, and the data {wanted}")

    def initialize(self, model: Model, classes: Sequence[str] | None, origin: Origin | None = None) -> str:
        """Take over the parameters into the new ``model``, for data with these classes. Returns a line that describes it.

        ``origin`` is that of the new data: the input stage is that of the old model, but for the encoding of text, and the
        targets, the header and the missing values of a table.
        """
        source = self.model
        head = [row for row in rows_of(model.network, model.input_shape) if row.parameters][-1:]
        same = model.network == source.network and (source.classes is None or tuple(source.classes) == tuple(classes or ()))
        new = () if same else tuple(row.path for row in head)
        taken = transfer(source, model, new=new)
        total = len(model.state.arrays())
        stage = source.input_stage
        if isinstance(stage, Tokens) and origin is not None and origin.tokens is not None:
            stage = dataclasses.replace(stage, encoding=origin.tokens.encoding)
        if isinstance(stage, TableStage) and stage.series is None and origin is not None and origin.columns is not None:
            stage = stage.for_table(origin.missing, origin.target, origin.header, origin.targets)
        model.input_stage = stage
        line = f"from      {self.path}: {len(taken)} of {total} arrays of parameters and statistics"
        if not new:
            return line
        return f"{line}; new: {new[0]}, for {_outputs(model, classes)}"

    def record(self) -> dict[str, Any]:
        """Return what config.json stores: the path, and a digest of the parameters and running statistics."""
        sha = hashlib.sha256()
        for vector in (self.model.state.parameters, self.model.state.statistics):
            sha.update(vector.tobytes())
        return {"requested": os.path.abspath(self.path), "sha256": sha.hexdigest()}


def _outputs(model: Model, classes: Sequence[str] | None) -> str:
    """Return the outputs of a model in words."""
    if classes is not None:
        return f"{len(classes)} classes"
    return "one number" if model.output_shape == (1,) else f"{math.prod(model.output_shape)} numbers"


def _kind_of_text(stage: Any) -> str:
    if not isinstance(stage, Tokens):
        return "no text"
    return WINDOWS if stage.separator is None else LINES


def _with_units(layer: Layer, units: int) -> Layer | None:
    """Return the network whose last layer with parameters, a dense one, has this many units; None if there is no such layer."""
    if isinstance(layer, Dense | DensePerPosition):
        return dataclasses.replace(layer, units=units)
    if isinstance(layer, Sequential):
        before = list(layer.layers)
        while before and _is_stateless(before[-1]):
            before.pop()
        changed = _with_units(before[-1], units) if before else None
        return None if changed is None else Sequential(*before[:-1], changed, *layer.layers[len(before) :])
    if isinstance(layer, Members):
        changed = _with_units(layer.layers[-1], units)
        return None if changed is None else Members(layer.count, *layer.layers[:-1], changed)
    if isinstance(layer, Graph):
        nodes = {node.name: node for node in layer.nodes}
        last = nodes[layer.ordered_nodes()[-1].name]
        while isinstance(last.layer, Layer) and _is_stateless(last.layer) and last.inputs[0] in nodes:
            last = nodes[last.inputs[0]]
        changed = _with_units(last.layer, units) if isinstance(last.layer, Layer) else None
        if changed is None:
            return None
        changed_nodes = (Node(node.name, changed, *node.inputs) if node is last else node for node in layer.nodes)
        return Graph(*changed_nodes, inputs=layer.inputs, outputs=layer.outputs)
    return None


def _is_stateless(layer: Layer) -> bool:
    """Return whether the layer takes any number of inputs, returns as many, and has no parameters."""
    try:
        specs = [layer.build((n,)) for n in (2, 3)]
    except ShapeError:
        return False
    return all(not spec.slots and spec.shape == (n,) for n, spec in zip((2, 3), specs, strict=True))
