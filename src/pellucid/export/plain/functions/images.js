// Layers for images (height, width, channels). Sequences (time, channels) are images of one row.

// Convolves an image (h, w, c) with the kernels W (kh, kw, c / groups, filters): y (oh, ow, filters).
// The taps of a row of the kernel are neighbours in x and in W, unless there are groups or a dilation: one product.
function conv2d(x, y, W, b, h, w, c, oh, ow, filters, kh, kw, sh, sw, top, left, dh, dw, groups) {
  const cg = c / groups, fg = filters / groups;
  for (let p = 0, out = 0; p < oh; p++) {
    for (let q = 0; q < ow; q++, out += filters) {
      for (let f = 0; f < filters; f++) y[out + f] = b[f];
      const column = q * sw - left;
      let first = 0, last = kw; // the taps inside the image
      while (first < last && column + first * dw < 0) first++;
      while (last > first && column + (last - 1) * dw >= w) last--;
      if (first === last) continue;
      for (let i = 0; i < kh; i++) {
        const row = p * sh - top + i * dh;
        if (row < 0 || row >= h) continue;
        if (groups === 1 && dw === 1) {
          const pixel = (row * w + column + first) * c, tap = (i * kw + first) * c * filters;
          add_product(x, pixel, W, tap, y, out, (last - first) * c, filters, filters);
          continue;
        }
        for (let j = first; j < last; j++) {
          for (let g = 0; g < groups; g++) {
            const pixel = (row * w + column + j * dw) * c + g * cg, tap = (i * kw + j) * cg * filters + g * fg;
            add_product(x, pixel, W, tap, y, out + g * fg, cg, fg, filters);
          }
        }
      }
    }
  }
}

// Convolves each channel of an image (h, w, c) with a kernel of its own, W (kh, kw, c): y (oh, ow, c).
function depthwise_conv2d(x, y, W, b, h, w, c, oh, ow, kh, kw, sh, sw, top, left, dh, dw) {
  for (let p = 0, out = 0; p < oh; p++) {
    for (let q = 0; q < ow; q++, out += c) {
      for (let k = 0; k < c; k++) y[out + k] = b[k];
      for (let i = 0; i < kh; i++) {
        const row = p * sh - top + i * dh;
        if (row < 0 || row >= h) continue;
        for (let j = 0; j < kw; j++) {
          const column = q * sw - left + j * dw;
          if (column < 0 || column >= w) continue;
          const pixel = (row * w + column) * c, tap = (i * kw + j) * c;
          for (let k = 0; k < c; k++) y[out + k] += x[pixel + k] * W[tap + k];
        }
      }
    }
  }
}

// The transposed convolution of an image (h, w, c) with the kernels W (kh, kw, c / groups, filters): y (oh, ow, filters).
// Pixel (p, q) of x is added to y at (p sh - top + i dh, q sw - left + j dw), times the tap (i, j).
function conv_transpose2d(x, y, W, b, h, w, c, oh, ow, filters, kh, kw, sh, sw, top, left, dh, dw, groups) {
  const cg = c / groups, fg = filters / groups;
  for (let row = 0, out = 0; row < oh; row++) {
    for (let column = 0; column < ow; column++, out += filters) {
      for (let f = 0; f < filters; f++) y[out + f] = b[f];
      for (let i = 0; i < kh; i++) {
        const down = row + top - i * dh;
        if (down < 0 || down % sh || down / sh >= h) continue;
        for (let j = 0; j < kw; j++) {
          const across = column + left - j * dw;
          if (across < 0 || across % sw || across / sw >= w) continue;
          for (let g = 0; g < groups; g++) {
            const pixel = ((down / sh) * w + across / sw) * c + g * cg, tap = (i * kw + j) * cg * filters + g * fg;
            add_product(x, pixel, W, tap, y, out + g * fg, cg, fg, filters);
          }
        }
      }
    }
  }
}

// y (oh, ow, c) = the maximum of each window of x (h, w, c), in which padding is ignored.
function max_pool(x, y, h, w, c, oh, ow, kh, kw, sh, sw, top, left) {
  for (let p = 0, out = 0; p < oh; p++) {
    for (let q = 0; q < ow; q++, out += c) {
      for (let k = 0; k < c; k++) y[out + k] = -Infinity;
      for (let i = 0; i < kh; i++) {
        const row = p * sh - top + i;
        if (row < 0 || row >= h) continue;
        for (let j = 0; j < kw; j++) {
          const column = q * sw - left + j;
          if (column < 0 || column >= w) continue;
          const pixel = (row * w + column) * c;
          for (let k = 0; k < c; k++) if (x[pixel + k] > y[out + k]) y[out + k] = x[pixel + k];
        }
      }
    }
  }
}

// y (oh, ow, c) = the mean of each window of x (h, w, c), in which padding is not counted.
function average_pool(x, y, h, w, c, oh, ow, kh, kw, sh, sw, top, left) {
  for (let p = 0, out = 0; p < oh; p++) {
    for (let q = 0; q < ow; q++, out += c) {
      let count = 0;
      for (let k = 0; k < c; k++) y[out + k] = 0;
      for (let i = 0; i < kh; i++) {
        const row = p * sh - top + i;
        if (row < 0 || row >= h) continue;
        for (let j = 0; j < kw; j++) {
          const column = q * sw - left + j;
          if (column < 0 || column >= w) continue;
          const pixel = (row * w + column) * c;
          for (let k = 0; k < c; k++) y[out + k] += x[pixel + k];
          count++;
        }
      }
      for (let k = 0; k < c; k++) y[out + k] /= count;
    }
  }
}

// y = the mean of each channel over all positions.
function global_average_pool(x, y, positions, channels) {
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let p = 0; p < positions; p++) sum += x[p * channels + c];
    y[c] = sum / positions;
  }
}

// y = the maximum of each channel over all positions.
function global_max_pool(x, y, positions, channels) {
  for (let c = 0; c < channels; c++) {
    y[c] = x[c];
    for (let p = 1; p < positions; p++) if (x[p * channels + c] > y[c]) y[c] = x[p * channels + c];
  }
}

// y (h fh, w fw, c) = x (h, w, c), in which each pixel is repeated along both axes.
function enlarge(x, y, h, w, c, fh, fw) {
  for (let row = 0, out = 0; row < h * fh; row++) {
    for (let column = 0; column < w * fw; column++, out += c) {
      const pixel = (Math.floor(row / fh) * w + Math.floor(column / fw)) * c;
      for (let k = 0; k < c; k++) y[out + k] = x[pixel + k];
    }
  }
}

// The position (p + 1/2) / factor - 1/2 of output p, limited to 0 ... size - 1.
function position_of(p, factor, size) {
  return Math.min(Math.max((p + 0.5) / factor - 0.5, 0), size - 1);
}

// y (h fh, w fw, c) = x (h, w, c), interpolated linearly along both axes.
function interpolate(x, y, h, w, c, fh, fw) {
  for (let row = 0, out = 0; row < h * fh; row++) {
    for (let column = 0; column < w * fw; column++, out += c) {
      const high = position_of(row, fh, h), wide = position_of(column, fw, w);
      const i = Math.floor(high), j = Math.floor(wide), down = high - i, across = wide - j;
      const below = i + 1 < h ? w * c : 0, right = j + 1 < w ? c : 0, pixel = (i * w + j) * c;
      for (let k = pixel; k < pixel + c; k++) {
        const upper = (1 - across) * x[k] + across * x[k + right];
        const lower = (1 - across) * x[k + below] + across * x[k + below + right];
        y[out + k - pixel] = (1 - down) * upper + down * lower;
      }
    }
  }
}
