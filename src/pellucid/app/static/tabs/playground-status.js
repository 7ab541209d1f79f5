// The status line of the playground: what the training does, and what explains it.

import {SURFACES} from "./playground-settings.js";

const OVERFITTING_RATIO = 1.8;                       // of the validation loss to the training loss
const OVERFITTING_LOSS = 0.1;                        // a smaller validation loss is not worth a warning

// `state` is the last state that the server sent, or null.
export function statusText(settings, state, playing) {
  const {data, hidden, activation, init, regularization} = settings, isRegression = SURFACES.includes(data);
  if (!state) return data === "user" ? "Click or drag on the plane to add points: at least four, of two classes." : "";
  if (state.diverged) return "The training diverged: each step overshot more than the one before. Choose a smaller learning rate to start again.";
  if (init === "zeros" && hidden.length) {
    return activation === "sigmoid"
      ? "All weights start at zero: the units of a layer receive the same gradient and stay equal."
      : "All weights start at zero: every layer outputs zero and no weight receives a gradient; only the last biases learn.";
  }
  if (!state.step) return "Press Play or the space key to start the training.";
  const isLinear = (!hidden.length || activation === "identity") && settings.features.every((name) => name === "x1" || name === "x2");
  if (isLinear && data !== "blobs" && data !== "plane") {
    const result = isRegression ? "the output is an inclined plane" : "the boundary between two classes is a straight line";
    return hidden.length ? `Linear layers one after another are equivalent to one linear layer: ${result}.` : `Without a hidden layer ${result}.`;
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
    : isRegression && !(validation.r2 > 0) ? "R² is not above 0 yet: the mean of the points would be at least as good a prediction everywhere."
    : isRegression ? `The network explains ${(100 * validation.r2).toFixed(0)} % of the variance of the validation points.`
      : `${(100 * validation.accuracy).toFixed(1)} % of the validation points are classified correctly.`;
}

// What to try with each data set.
export const IDEAS = {
  moons: "press Play. Then remove the hidden layers: a straight line cannot separate the moons.",
  circles: "remove the hidden layers, and switch on the inputs x₁² and x₂²: now a single layer is enough.",
  spirals: "two hidden layers of 8 units. Is it easier with the inputs sin x₁ and sin x₂?",
  blobs: "remove the hidden layers: straight lines are enough. Then raise the noise, and watch the validation loss.",
  xor: "remove the hidden layers: the network fails. Then switch on the input x₁x₂.",
  user: "add points that a straight line cannot separate, and find the smallest network that does.",
  plane: "remove the hidden layers: one linear unit is enough. Click on its line to set a weight by hand.",
  saddle: "leave only the input x₁x₂, and no hidden layer. Which weight does the training find?",
  ripples: "Tanh or ReLU, more units, other inputs: how far does R² rise? Then show the loss surface.",
};
