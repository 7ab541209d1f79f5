// Attention: sequences (time, width), whose columns are divided among the heads.

// Turn the columns j and j + d/2 of each head in rows of x, `stride` apart, by angles; the table has their cosines, then sines.
function rotate(x, table, rows, stride, heads, d) {
  for (let row = 0; row < rows; row++) {
    for (let h = 0; h < heads; h++) {
      for (let j = 0; j < d / 2; j++) {
        const first = row * stride + h * d + j, second = first + d / 2;
        const a = x[first], b = x[second], c = table[row * d + j], s = table[row * d + d / 2 + j];
        x[first] = a * c - b * s;
        x[second] = a * s + b * c;
      }
    }
  }
}

// y (t, width) = what the positions of x (t, width) read in source (s, features), except where mask (s) is 0.
function attention(x, source, mask, y, Wq, bq, Wkv, bkv, Wo, bo, table, scratch, t, s, width, features, heads, causal, rotary) {
  const d = width / heads, scale = 1 / Math.sqrt(d);
  const q = scratch.subarray(0, t * width), kv = scratch.subarray(t * width, (t + 2 * s) * width);
  const means = scratch.subarray((t + 2 * s) * width, (2 * t + 2 * s) * width), scores = scratch.subarray((2 * t + 2 * s) * width);
  dense(x, q, Wq, bq, t, width, width);
  dense(source, kv, Wkv, bkv, s, features, 2 * width);
  if (rotary) {
    rotate(q, table, t, width, heads, d);
    rotate(kv, table, s, 2 * width, heads, d);
  }
  for (let i = 0; i < t; i++) {
    for (let h = 0; h < heads; h++) {
      const query = i * width + h * d, count = causal ? i + s - t + 1 : s;
      let largest = -Infinity, sum = 0;
      for (let c = 0; c < d; c++) means[query + c] = 0;
      for (let j = 0; j < count; j++) {
        if (mask[j] === 0) continue;
        let product = 0;
        for (let c = 0; c < d; c++) product += q[query + c] * kv[j * 2 * width + h * d + c];
        scores[j] = product * scale;
        largest = Math.max(largest, scores[j]);
      }
      for (let j = 0; j < count; j++) {
        if (mask[j] === 0) continue;
        const weight = Math.exp(scores[j] - largest);
        sum += weight;
        for (let c = 0; c < d; c++) means[query + c] += weight * kv[(j * 2 + 1) * width + h * d + c];
      }
      for (let c = 0; c < d && sum !== 0; c++) means[query + c] /= sum;
    }
  }
  dense(means, y, Wo, bo, t, width, width);
}
