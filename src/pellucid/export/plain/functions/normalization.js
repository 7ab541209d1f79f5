// Normalization. x and y may be the same array.

// y = (x - center) scale + offset, with one number of each for every channel.
function scale_channels(x, y, center, scale, offset, rows, channels) {
  for (let row = 0, i = 0; row < rows; row++) {
    for (let c = 0; c < channels; c++, i++) y[i] = (x[i] - center[c]) * scale[c] + offset[c];
  }
}

// Normalizes each row to mean 0 and variance 1, then y = that gamma + beta.
function layer_norm(x, y, gamma, beta, rows, width, epsilon) {
  for (let start = 0; start < rows * width; start += width) {
    let mean = 0, variance = 0;
    for (let i = 0; i < width; i++) mean += x[start + i] / width;
    for (let i = 0; i < width; i++) variance += (x[start + i] - mean) ** 2 / width;
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let i = 0; i < width; i++) y[start + i] = (x[start + i] - mean) * factor * gamma[i] + beta[i];
  }
}

// y = x gamma / sqrt(mean of x^2) for each row.
function rms_norm(x, y, gamma, rows, width, epsilon) {
  for (let start = 0; start < rows * width; start += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[start + i] ** 2 / width;
    const factor = 1 / Math.sqrt(squares + epsilon);
    for (let i = 0; i < width; i++) y[start + i] = x[start + i] * factor * gamma[i];
  }
}

// Normalizes each group of neighbouring channels, over all positions, to mean 0 and variance 1, then y = that gamma + beta.
function group_norm(x, y, gamma, beta, positions, channels, groups, epsilon) {
  const width = channels / groups, count = positions * width;
  for (let first = 0; first < channels; first += width) {
    let mean = 0, variance = 0;
    for (let p = 0; p < positions; p++) {
      for (let c = first; c < first + width; c++) mean += x[p * channels + c] / count;
    }
    for (let p = 0; p < positions; p++) {
      for (let c = first; c < first + width; c++) variance += (x[p * channels + c] - mean) ** 2 / count;
    }
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let p = 0; p < positions; p++) {
      for (let c = first; c < first + width; c++) {
        y[p * channels + c] = (x[p * channels + c] - mean) * factor * gamma[c] + beta[c];
      }
    }
  }
}
