// Dense layers, embeddings, changes of shape, and merges.

// y += x W for x (inputs), W (inputs, outputs) and y (outputs), which begin at xs, Ws and ys. The rows of W are stride
// numbers apart. Four outputs at a time, so that their sums stay in registers.
function add_product(x, xs, W, Ws, y, ys, inputs, outputs, stride) {
  let o = 0;
  for (; o + 4 <= outputs; o += 4) {
    let y0 = y[ys + o], y1 = y[ys + o + 1], y2 = y[ys + o + 2], y3 = y[ys + o + 3];
    for (let i = 0, w = Ws + o; i < inputs; i++, w += stride) {
      const value = x[xs + i];
      y0 += value * W[w];
      y1 += value * W[w + 1];
      y2 += value * W[w + 2];
      y3 += value * W[w + 3];
    }
    y[ys + o] = y0;
    y[ys + o + 1] = y1;
    y[ys + o + 2] = y2;
    y[ys + o + 3] = y3;
  }
  for (; o < outputs; o++) {
    let sum = y[ys + o];
    for (let i = 0, w = Ws + o; i < inputs; i++, w += stride) sum += x[xs + i] * W[w];
    y[ys + o] = sum;
  }
}

// y = x W + b for each of the rows of x.
function dense(x, y, W, b, rows, inputs, outputs) {
  for (let row = 0; row < rows; row++) {
    y.set(b, row * outputs);
    add_product(x, row * inputs, W, 0, y, row * outputs, inputs, outputs, outputs);
  }
}

// y = the rows of W (entries, width) at the n integers in x.
function embedding(x, y, W, n, entries, width) {
  for (let i = 0; i < n; i++) {
    if (!(x[i] >= 0 && x[i] < entries) || !Number.isInteger(x[i])) {
      throw new RangeError(`${x[i]} is not an integer from 0 to ${entries - 1}`);
    }
    for (let k = 0; k < width; k++) y[i * width + k] = W[x[i] * width + k];
  }
}

// y = x times the transpose of W (entries, width), for each of the rows of x.
function unembedding(x, y, W, rows, width, entries) {
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < entries; k++) {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += x[row * width + i] * W[k * width + i];
      y[row * entries + k] = sum;
    }
  }
}

// Copies rows of width numbers from x to y. The starts of the rows are x_stride and y_stride numbers apart.
function copy_rows(x, y, rows, width, x_start, x_stride, y_start, y_stride) {
  for (let row = 0; row < rows; row++) {
    const from = x_start + row * x_stride, to = y_start + row * y_stride;
    for (let i = 0; i < width; i++) y[to + i] = x[from + i];
  }
}

// y = 0.
function fill_zero(y, n) {
  y.fill(0, 0, n);
}

// y (n0, n1, n2, n3) = x with its axes in another order: s0 to s3 are the strides of x along the axes of y.
function permute(x, y, n0, n1, n2, n3, s0, s1, s2, s3) {
  let at = 0;
  for (let i = 0; i < n0; i++) {
    for (let j = 0; j < n1; j++) {
      for (let k = 0; k < n2; k++) {
        for (let l = 0; l < n3; l++) y[at++] = x[i * s0 + j * s1 + k * s2 + l * s3];
      }
    }
  }
}

// y = the steps of x (steps, width) in reverse order.
function reverse(x, y, steps, width) {
  for (let t = 0; t < steps; t++) {
    for (let i = 0; i < width; i++) y[t * width + i] = x[(steps - 1 - t) * width + i];
  }
}

// y = scale x + offset.
function rescale(x, y, n, scale, offset) {
  for (let i = 0; i < n; i++) y[i] = scale * x[i] + offset;
}

// y = a + b.
function add(a, b, y, n) {
  for (let i = 0; i < n; i++) y[i] = a[i] + b[i];
}

// y = a - b.
function subtract(a, b, y, n) {
  for (let i = 0; i < n; i++) y[i] = a[i] - b[i];
}

// y = a b, value by value.
function multiply(a, b, y, n) {
  for (let i = 0; i < n; i++) y[i] = a[i] * b[i];
}

// y = the larger one of a and b, value by value.
function maximum(a, b, y, n) {
  for (let i = 0; i < n; i++) y[i] = Math.max(a[i], b[i]);
}
