// Pictures in the size of a network's input: the same as read_image in data/images/image_file.py, for decoded pixels. The filter
// is Lanczos with Pillow's integer arithmetic, so that the same pixels give the same bytes.

import {hasLightBorder} from "./pixels.js";
import {roundHalfToEven} from "./rounding.js";

const LOBES = 3;                                     // of the Lanczos filter
const BITS = 22;                                     // of the weights' fractions

// The picture as it becomes the input of a network: bytes (height, width, channels).
export function fitted(picture, {width, height, channels, invert}) {
  if (picture.width === width && picture.height === height) return picture.values;
  let values = picture.values;
  if (invert && channels === 1 && hasLightBorder(picture)) values = values.map((value) => 255 - value);
  const scale = Math.min(width / picture.width, height / picture.height);
  const wide = Math.max(1, roundHalfToEven(picture.width * scale)), tall = Math.max(1, roundHalfToEven(picture.height * scale));
  values = resizedRows(values, picture.height, picture.width, wide, channels);
  values = resizedColumns(values, picture.height, tall, wide * channels);
  const canvas = new Uint8Array(width * height * channels), left = Math.floor((width - wide) / 2), top = Math.floor((height - tall) / 2);
  for (let row = 0; row < tall; row++) {
    canvas.set(values.subarray(row * wide * channels, (row + 1) * wide * channels), ((top + row) * width + left) * channels);
  }
  return canvas;
}

function lanczos(x) {
  if (x === 0) return 1;
  if (Math.abs(x) >= LOBES) return 0;
  const sinc = (v) => Math.sin(v * Math.PI) / (v * Math.PI);
  return sinc(x) * sinc(x / LOBES);
}

// For each new pixel: the first old pixel that contributes, and the weights of those from there on, as integers of 22 bits.
function contributions(old, size) {
  const scale = old / size, stretch = Math.max(scale, 1), support = LOBES * stretch;
  return Array.from({length: size}, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5)), last = Math.min(old, Math.trunc(centre + support + 0.5));
    const weights = Array.from({length: last - first}, (_, j) => lanczos((j + first - centre + 0.5) * (1 / stretch)));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return {first, weights: Int32Array.from(weights, (weight) => {
      const part = sum === 0 ? weight : weight / sum;
      return Math.trunc(part * (1 << BITS) + (part < 0 ? -0.5 : 0.5));
    })};
  });
}

const toByte = (sum) => Math.min(255, Math.max(0, sum >> BITS));

function resizedRows(values, rows, old, size, channels) {
  if (old === size) return values;
  const out = new Uint8Array(rows * size * channels), columns = contributions(old, size);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < size; i++) {
      const {first, weights} = columns[i];
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (BITS - 1), at = (row * old + first) * channels + c;
        for (let j = 0; j < weights.length; j++, at += channels) sum += values[at] * weights[j];
        out[(row * size + i) * channels + c] = toByte(sum);
      }
    }
  }
  return out;
}

function resizedColumns(values, old, size, width) {
  if (old === size) return values;
  const out = new Uint8Array(size * width), rows = contributions(old, size);
  for (let i = 0; i < size; i++) {
    const {first, weights} = rows[i];
    for (let column = 0; column < width; column++) {
      let sum = 1 << (BITS - 1), at = first * width + column;
      for (let j = 0; j < weights.length; j++, at += width) sum += values[at] * weights[j];
      out[i * width + column] = toByte(sum);
    }
  }
  return out;
}
