// The status line of the playground: what the training does, and what explains it.

const OVERFITTING_RATIO = 1.8;                       // of the validation loss to the training loss
const OVERFITTING_LOSS = 0.1;                        // a smaller validation loss is not worth a warning

// `state` is the last state that the server sent, or null.
export function statusText(settings, state, playing) {
  const {data, hidden, activation, init, regularization} = settings;
  if (!state) return data === "user" ? "Click or drag on the plane to add points: at least four, of two classes." : "";
  if (state.diverged) return "The training diverged: each step overshot more than the one before. Choose a smaller learning rate to start again.";
  if (init === "zeros" && hidden.length) {
    return activation === "sigmoid"
      ? "All weights start at zero: the units of a layer receive the same gradient and stay equal."
      : "All weights start at zero: every layer outputs zero and no weight receives a gradient; only the last biases learn.";
  }
  if (!state.step) return "Press Play or the space key to start the training.";
  if ((!hidden.length || activation === "identity") && data !== "blobs") {
    return hidden.length
      ? "Linear layers one after another are equivalent to one linear layer: the boundary between two classes is straight."
      : "Without a hidden layer the boundary between two classes is a straight line.";
  }
  const dead = activation === "relu" ? state.unit_max.filter((max) => max === 0).length : 0;
  if (dead) return `${dead} of ${state.unit_max.length} units ${dead === 1 ? "is" : "are"} dead: zero on the whole plane, so no gradient passes.`;
  const {train, validation} = state;
  if (validation.loss > OVERFITTING_LOSS && validation.loss > OVERFITTING_RATIO * train.loss) {
    const remedy = regularization === "none" ? "More points, fewer units or regularization help." : "More points or fewer units help.";
    return `Overfitting: the validation loss is far above the training loss. ${remedy}`;
  }
  if (validation.loss === null) return "The loss is infinite: the network is certain, and wrong.";
  return playing ? "The network trains on the filled points; the hollow points validate it."
    : `${(100 * validation.accuracy).toFixed(1)} % of the validation points are classified correctly.`;
}
