// Layers for tables.

// y (features, waves) = cos(2 pi (f x + phase)) for the frequencies f and phases of each feature, in turns.
function periodic(x, y, frequencies, phases, features, waves) {
  for (let i = 0; i < features * waves; i++) {
    const turns = frequencies[i] * x[Math.floor(i / waves)] + phases[i];
    y[i] = Math.cos(2 * Math.PI * (turns - Math.round(turns)));
  }
}

// y = (x - start) factor for each of the bins of the features, limited to low ... high.
function bin_fractions(x, y, features, lines, bins) {
  for (let b = 0; b < bins; b++) {
    const value = (x[features[b]] - lines[b]) * lines[bins + b];
    y[b] = Math.min(Math.max(value, lines[2 * bins + b]), lines[3 * bins + b]);
  }
}

// y = x W + b with W (inputs, outputs) and b (outputs) of its own at each of the positions.
function dense_per_position(x, y, W, b, positions, inputs, outputs) {
  for (let p = 0; p < positions; p++) {
    for (let o = 0; o < outputs; o++) y[p * outputs + o] = b[p * outputs + o];
    add_product(x, p * inputs, W, p * inputs * outputs, y, p * outputs, inputs, outputs, outputs);
  }
}

// y = x + w (y - x), with a weight w for each channel: y holds an activation of x.
function mix(x, y, weight, rows, channels) {
  for (let i = 0; i < rows * channels; i++) y[i] = x[i] + weight[i % channels] * (y[i] - x[i]);
}
