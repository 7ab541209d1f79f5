// Recurrent layers. A cell computes the next state (parts, units) from an input (features) and the state, in place.
// The input is the part of x that begins at xs.

// h = tanh(x W + h U + b).
function simple_rnn_step(x, xs, state, W, U, b, scratch, features, units) {
  scratch.set(b);
  add_product(x, xs, W, 0, scratch, 0, features, units, units);
  add_product(state, 0, U, 0, scratch, 0, units, units, units);
  for (let k = 0; k < units; k++) state[k] = Math.tanh(scratch[k]);
}

// i, f, g, o = x W + h U + b; c = sigmoid(f) c + sigmoid(i) tanh(g); h = sigmoid(o) tanh(c).
function lstm_step(x, xs, state, W, U, b, scratch, features, units) {
  scratch.set(b);
  add_product(x, xs, W, 0, scratch, 0, features, 4 * units, 4 * units);
  add_product(state, 0, U, 0, scratch, 0, units, 4 * units, 4 * units);
  for (let k = 0; k < units; k++) {
    const i = scratch[k], f = scratch[units + k], g = scratch[2 * units + k], o = scratch[3 * units + k];
    const c = sigmoid_of(f) * state[units + k] + sigmoid_of(i) * Math.tanh(g);
    state[units + k] = c;
    state[k] = sigmoid_of(o) * Math.tanh(c);
  }
}

// r, z = sigmoid(x W + h U + b); n = tanh(x Wn + bn + r (h Un + bh)); h = (1 - z) n + z h. bh follows b.
function gru_step(x, xs, state, W, U, b, scratch, features, units) {
  const from_h = 3 * units;
  for (let k = 0; k < 3 * units; k++) {
    scratch[k] = b[k];
    scratch[from_h + k] = k < 2 * units ? 0 : b[k + units];
  }
  add_product(x, xs, W, 0, scratch, 0, features, 3 * units, 3 * units);
  add_product(state, 0, U, 0, scratch, from_h, units, 3 * units, 3 * units);
  for (let k = 0; k < units; k++) {
    const r = sigmoid_of(scratch[k] + scratch[from_h + k]);
    const z = sigmoid_of(scratch[units + k] + scratch[from_h + units + k]);
    const n = Math.tanh(scratch[2 * units + k] + r * scratch[from_h + 2 * units + k]);
    state[k] = (1 - z) * n + z * state[k];
  }
}

// Applies a cell to all steps of x (steps, features), from the state start (parts, units) on. y = h after every step if
// every_step is 1, then that many parts of the last state. If masked is 1, steps whose features all equal mask are skipped;
// their output is zero.
function apply_over_time(
  x, start, y, step, W, U, b, scratch, steps, features, units, parts, every_step, returned, masked, mask
) {
  const state = scratch.subarray(0, parts * units), rest = scratch.subarray(parts * units), skipped = Math.fround(mask);
  state.set(start);
  let out = 0;
  for (let t = 0; t < steps; t++) {
    let present = !masked;
    for (let k = 0; k < features && !present; k++) present = x[t * features + k] !== skipped;
    if (present) step(x, t * features, state, W, U, b, rest, features, units);
    if (every_step) {
      for (let k = 0; k < units; k++) y[out + k] = present ? state[k] : 0;
      out += units;
    }
  }
  for (let k = 0; k < returned * units; k++) y[out + k] = state[k];
}
