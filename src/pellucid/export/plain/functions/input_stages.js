// Input stages: checks of the input, and its conversion to the scale that the network was trained on.

// y = x / 255 for pixels from 0 to 255.
function scale_bytes(x, y, n) {
  for (let i = 0; i < n; i++) {
    if (!Number.isFinite(x[i])) throw new RangeError(`value ${i} of the input is not a finite number`);
    y[i] = x[i] / 255;
  }
}

// y = x.
function check_numbers(x, y, n) {
  for (let i = 0; i < n; i++) {
    y[i] = x[i];
    if (!Number.isFinite(y[i])) throw new RangeError(`value ${i} of the input is not a finite number`);
  }
}

// y = z / sqrt(1 + (z / limit)^2) of z = (x - center) / scale for the n values of a row; a limit of 0 is none. With fill_missing, a
// missing value (NaN) becomes 0.
function scale_robustly(x, y, center, scale, limit, n, fill_missing) {
  for (let i = 0; i < n; i++) {
    const z = fill_missing && Number.isNaN(x[i]) ? 0 : (x[i] - center[i]) / scale[i];
    y[i] = limit[i] > 0 ? z / Math.hypot(1, z / limit[i]) : z;
    if (!Number.isFinite(y[i])) throw new RangeError(`value ${i} of the input is not a finite number`);
  }
}

// y = (x - mean) / scale, column by column; with fill_missing, a missing value (NaN) has the mean of its column.
function standardize(x, y, mean, scale, rows, columns, fill_missing) {
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) {
      const at = row * columns + i;
      y[at] = fill_missing && Number.isNaN(x[at]) ? 0 : (x[at] - mean[i]) / scale[i];
      if (!Number.isFinite(y[at])) throw new RangeError(`value ${at} of the input is not a finite number`);
    }
  }
}
