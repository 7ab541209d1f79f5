// Activations. x and y may be the same array.

// y = max(x, 0).
function relu(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

// y = x, limited to 0 ... 6.
function relu6(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = Math.min(Math.max(x[i], 0), 6);
}

// y = x where x is positive, else slope x.
function leaky_relu(x, y, n, slope) {
  for (let i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

// y = x where x is positive, else slope x, with one slope for each channel.
function prelu(x, y, slope, rows, channels) {
  for (let i = 0; i < rows * channels; i++) y[i] = x[i] > 0 ? x[i] : slope[i % channels] * x[i];
}

// y = scale x where x is positive, else scale alpha (exp(x) - 1).
function elu(x, y, n, alpha, scale) {
  for (let i = 0; i < n; i++) y[i] = scale * (x[i] > 0 ? x[i] : alpha * Math.expm1(x[i]));
}

// 1 / (1 + exp(-x)), in a form that cannot overflow.
function sigmoid_of(x) {
  const e = Math.exp(-Math.abs(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}

// log(1 + exp(x)), in a form that cannot overflow.
function softplus_of(x) {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

// (x + 3) / 6, limited to 0 ... 1.
function hard_sigmoid_of(x) {
  return Math.min(Math.max((x + 3) / 6, 0), 1);
}

// y = 1 / (1 + exp(-x)).
function sigmoid(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = sigmoid_of(x[i]);
}

// y = (x + 3) / 6, limited to 0 ... 1.
function hard_sigmoid(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = hard_sigmoid_of(x[i]);
}

// y = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).
function tanh_activation(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = Math.tanh(x[i]);
}

// y = exp(x).
function exponential(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = Math.exp(x[i]);
}

// y = log(1 + exp(x)).
function softplus(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = softplus_of(x[i]);
}

// y = x / (1 + exp(-x)).
function silu(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = x[i] * sigmoid_of(x[i]);
}

// y = a v / (1 + exp(-a)) for each of the rows of x, with (a, v) = x W + b; the scratch has space for 2 units numbers.
function swiglu(x, y, W, b, scratch, rows, inputs, units) {
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < 2 * units; i++) scratch[i] = b[i];
    add_product(x, row * inputs, W, 0, scratch, 0, inputs, 2 * units, 2 * units);
    for (let i = 0; i < units; i++) y[row * units + i] = scratch[i] * sigmoid_of(scratch[i]) * scratch[units + i];
  }
}

// y = x (x + 3) / 6, with the factor (x + 3) / 6 limited to 0 ... 1.
function hard_swish(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = x[i] * hard_sigmoid_of(x[i]);
}

// y = x tanh(log(1 + exp(x))).
function mish(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = x[i] * Math.tanh(softplus_of(x[i]));
}

// The error function: 2/sqrt(pi) exp(-x^2) (x + 2/3 x^3 + 4/15 x^5 + ...), a series of positive terms
// (Abramowitz and Stegun, 1964, equation 7.1.6). From 6 on it is 1 to all digits.
function error_function(x) {
  const size = Math.abs(x);
  if (size >= 6) return Math.sign(x);
  let term = size, sum = size;
  for (let k = 3; term > 1e-17 * sum; k += 2) {
    term *= (2 * size * size) / k;
    sum += term;
  }
  return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-size * size) * sum;
}

// y = x P(Z <= x) for Z from the standard normal distribution.
function gelu(x, y, n) {
  for (let i = 0; i < n; i++) y[i] = 0.5 * x[i] * (1 + error_function(x[i] * Math.SQRT1_2));
}

// y = x P(Z <= x), with an approximation of the probability by a function of tanh.
function gelu_approximation(x, y, n) {
  for (let i = 0; i < n; i++) {
    const u = Math.sqrt(2 / Math.PI) * (x[i] + 0.044715 * x[i] ** 3);
    y[i] = x[i] * sigmoid_of(2 * u);
  }
}

// y = exp(x) / sum of exp(x) in each row. The maximum is subtracted first, so that nothing overflows.
function softmax(x, y, rows, width) {
  for (let start = 0; start < rows * width; start += width) {
    let largest = x[start], sum = 0;
    for (let i = start; i < start + width; i++) largest = Math.max(largest, x[i]);
    for (let i = start; i < start + width; i++) {
      y[i] = Math.exp(x[i] - largest);
      sum += y[i];
    }
    for (let i = start; i < start + width; i++) y[i] /= sum;
  }
}

// y = x - log(sum of exp(x)) in each row.
function log_softmax(x, y, rows, width) {
  for (let start = 0; start < rows * width; start += width) {
    let largest = x[start], sum = 0;
    for (let i = start; i < start + width; i++) largest = Math.max(largest, x[i]);
    for (let i = start; i < start + width; i++) sum += Math.exp(x[i] - largest);
    const shift = largest + Math.log(sum);
    for (let i = start; i < start + width; i++) y[i] = x[i] - shift;
  }
}
