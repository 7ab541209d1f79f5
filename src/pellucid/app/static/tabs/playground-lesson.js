// One line about what is going on: what a lecturer would say who looks over the shoulder.

const TOLD = 1.8;                                    // the validation loss, over the training loss, that is worth a word

// state: as the server tells it, or null while there is none.
export function lesson(settings, state, playing) {
  const {data, hidden, activation, init, regularization} = settings;
  if (!state) return data === "own" ? "Click or drag on the plane to add points: at least four, of two classes." : "";
  if (state.diverged) return "It diverged: each step overshot by more than the one before. Choose a smaller learning rate; the training starts over.";
  const straight = !hidden.length || activation === "linear", units = state.most.length;
  if (init === "zeros" && hidden.length) {
    return activation === "sigmoid"
      ? "All weights begin at zero: the units of a layer get the same gradient and stay the same."
      : "All weights begin at zero: each layer gives zero, no weight gets a gradient; only the last biases learn.";
  }
  if (!state.step) return "Play, or the space key, starts the training.";
  if (straight && data !== "blobs") {
    return hidden.length
      ? "Linear layers behind each other are one linear layer: the border between two classes stays straight."
      : "Without a hidden layer the border between two classes is a straight line.";
  }
  const dead = activation === "relu" ? state.most.filter((most) => most === 0).length : 0;
  if (dead) return `${dead} of ${units} units ${dead === 1 ? "is" : "are"} dead: zero all over the plane, so no gradient passes.`;
  const {train, validation} = state;
  if (validation.loss > 0.1 && validation.loss > TOLD * train.loss) {
    const help = regularization === "none" ? "More points, fewer units or regularization help." : "More points or fewer units help.";
    return `Overfitting: the validation loss is far above the training loss. ${help}`;
  }
  if (validation.loss === null) return "The loss is infinite: the network is as sure as can be, and wrong.";
  return playing ? "It learns from the filled points; the hollow ones check it." : `${(100 * validation.accuracy).toFixed(1)} % of the validation points are right.`;
}
