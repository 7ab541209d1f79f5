// Drawings as images in the form of MNIST: the same as pellucid.data.digit(strokes), in data/drawings/rendering.py.

import {roundHalfToEven} from "./rounding.js";
import {evenStrokes} from "./strokes.js";

export const SIDE = 28;                              // pixels: the image
export const BOX = 20;                               // pixels: the longer side of the digit in it
const PEN = 2.4;                                     // pixels: the mean width of the strokes of MNIST
const SPACING = 0.2;                                 // pixels along a stroke: points closer together than this are merged

// The image of a drawing as bytes (28 × 28), with light ink on black and its centre of mass in the middle. A drawing is a list of
// strokes, each a list of points [x, y].
export const digit = (drawing) => normalized(drawing).image;

// The image, and what it is made of: the even strokes, these as `fitted` into the box, in pixels [x, y], and the shift [x, y] that
// brings their centre of mass into the middle.
export function normalized(drawing) {
  const strokes = evenStrokes(drawing), points = strokes.flat();
  const low = [0, 1].map((axis) => points.reduce((least, point) => Math.min(least, point[axis]), Infinity));
  const high = [0, 1].map((axis) => points.reduce((most, point) => Math.max(most, point[axis]), -Infinity));
  const longest = Math.max(high[0] - low[0], high[1] - low[1]), middle = (SIDE - 1) / 2;
  const scale = longest > 0 ? (BOX - PEN) / longest : 0;                         // a dot stays a dot
  const place = (value, axis) => (value - (low[axis] + high[axis]) / 2) * scale + middle;
  const fitted = strokes.map((stroke) => stroke.map(([x, y]) => [place(x, 0), place(y, 1)])), lines = segments(fitted);
  const image = drawn(lines);
  let ink = 0, rows = 0, columns = 0;
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const value = image[SIDE * row + column];
      ink += value;
      rows += value * row;
      columns += value * column;
    }
  }
  const limit = (SIDE - BOX) / 2;                    // a larger shift would move ink out of the image
  const [down, right] = [middle - rows / ink, middle - columns / ink].map((shift) => Math.min(limit, Math.max(-limit, shift)));
  const centred = drawn(lines.map(([r, c, r1, c1]) => [r + down, c + right, r1 + down, c1 + right]));
  return {strokes, fitted, shift: [right, down], image: Uint8Array.from(centred, (value) => roundHalfToEven(255 * value))};
}

// Strokes of points [x, y] in pixels as lines [row, column, row, column].
function segments(strokes) {
  const lines = [];
  for (const stroke of strokes) {
    const path = [stroke[0]];
    let length = 0, interval = 0;
    for (let i = 1; i < stroke.length; i++) {        // the first point in each interval of that length
      const dx = stroke[i][0] - stroke[i - 1][0], dy = stroke[i][1] - stroke[i - 1][1];
      length += Math.sqrt(dx * dx + dy * dy);
      const next = Math.floor(length / SPACING);
      if (next > interval) path.push(stroke[i]);
      interval = next;
    }
    path.push(stroke.at(-1));
    for (let i = 1; i < path.length; i++) lines.push([path[i - 1][1], path[i - 1][0], path[i][1], path[i][0]]);
  }
  return lines;
}

// How much of each pixel the lines of a round pen cover, from 0 to 1. Only the pixels near a line are computed.
function drawn(lines) {
  const image = new Float32Array(SIDE * SIDE), radius = PEN / 2, reach = radius + 0.5;
  for (const [r, c, r1, c1] of lines) {
    const down = r1 - r, right = c1 - c, length = down * down + right * right;
    const top = Math.max(0, Math.ceil(Math.min(r, r1) - reach)), bottom = Math.min(SIDE - 1, Math.floor(Math.max(r, r1) + reach));
    const left = Math.max(0, Math.ceil(Math.min(c, c1) - reach)), end = Math.min(SIDE - 1, Math.floor(Math.max(c, c1) + reach));
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= end; column++) {
        const along = length > 0 ? Math.min(1, Math.max(0, ((row - r) * down + (column - c) * right) / length)) : 0;
        const distance = Math.hypot(row - (r + along * down), column - (c + along * right));
        const covered = Math.min(1, Math.max(0, reach - distance)), i = SIDE * row + column;
        if (covered > image[i]) image[i] = covered;
      }
    }
  }
  return image;
}
