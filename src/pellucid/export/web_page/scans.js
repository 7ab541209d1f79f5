// Pictures of digits in the form of MNIST: the same as pellucid.data.digit(image), in data/drawings/rendering.py, for grey pixels.

import {borderMedian, hasLightBorder} from "./pixels.js";
import {BOX, SIDE} from "./rendering.js";
import {roundHalfToEven} from "./rounding.js";

const FAINT = 0.15;                                  // of the darkest ink: fainter pixels are dust or paper
const LEAST = 0.1;                                   // of the ink that there could be: a picture with less is empty

// The bytes (28 × 28) of a grey picture {width, height, values}, with light ink on black and its centre of mass in the middle. One of
// that size with a dark border comes from a data set and stays as it is. Throws an error for an empty picture.
export function scanned(picture) {
  const {width, height, values} = picture, light = hasLightBorder(picture);
  if (width === SIDE && height === SIDE && !light) return values;
  const background = borderMedian(picture);
  let ink = Float64Array.from(values, (value) => (light ? background - value : value - background));
  const darkest = ink.reduce((most, value) => Math.max(most, value), 0);
  if (darkest < LEAST * 255) throw new Error("this picture is empty");
  ink = ink.map((value) => Math.min(1, Math.max(0, (value / darkest - FAINT) / (1 - FAINT))));

  const [top, bottom] = inked(ink, height, (line, i) => width * line + i, width);
  const [left, right] = inked(ink, width, (line, i) => width * i + line, height);
  const old = [bottom - top + 1, right - left + 1], scale = BOX / Math.max(...old);
  const size = old.map((length) => Math.max(1, roundHalfToEven(length * scale)));
  const [rows, columns] = [0, 1].map((axis) => areaWeights(old[axis], size[axis]));
  const fitted = new Float64Array(SIDE * SIDE), start = size.map((length) => (SIDE - length) >> 1);
  const half = new Float64Array(size[0] * width);    // resized in one direction
  rows.forEach((weights, row) => weights.forEach(([from, weight]) => {
    for (let column = left; column <= right; column++) half[width * row + column] += weight * ink[width * (top + from) + column];
  }));
  for (let row = 0; row < size[0]; row++) {
    columns.forEach((weights, column) => {
      const sum = weights.reduce((total, [from, weight]) => total + weight * half[width * row + left + from], 0);
      fitted[SIDE * (start[0] + row) + start[1] + column] = sum;
    });
  }

  const shifts = [centred(fitted, (line, i) => SIDE * line + i), centred(fitted, (line, i) => SIDE * i + line)];
  const image = new Uint8Array(SIDE * SIDE);
  fitted.forEach((value, i) => {
    const row = Math.floor(i / SIDE) + shifts[0], column = (i % SIDE) + shifts[1];
    if (value) image[SIDE * row + column] = roundHalfToEven(255 * Math.min(1, Math.max(0, value)));
  });
  return image;
}

// The first and the last of `lines` rows or columns with ink; at(line, i) is the index of a pixel.
function inked(ink, lines, at, length) {
  const found = Array.from({length: lines}, (_, line) => line).filter((line) => {
    for (let i = 0; i < length; i++) if (ink[at(line, i)] > 0) return true;
    return false;
  });
  return [found[0], found.at(-1)];
}

// For each new pixel: [old pixel, weight], the fraction of the new pixel that each old one covers.
function areaWeights(old, size) {
  return Array.from({length: size}, (_, i) => {
    const start = i * old / size, end = (i + 1) * old / size, weights = [];
    for (let pixel = Math.floor(start); pixel < Math.min(old, end); pixel++) {
      weights.push([pixel, Math.max(0, Math.min(end, pixel + 1) - Math.max(start, pixel))]);
    }
    const sum = weights.reduce((total, [, weight]) => total + weight, 0);
    return weights.map(([pixel, weight]) => [pixel, weight / sum]);
  });
}

// By how many pixels the centre of mass is away from the middle in one direction, as far as no ink leaves the image.
function centred(image, at) {
  let ink = 0, moment = 0;
  for (let line = 0; line < SIDE; line++) for (let i = 0; i < SIDE; i++) { ink += image[at(line, i)]; moment += line * image[at(line, i)]; }
  const [first, last] = inked(image, SIDE, at, SIDE);
  return Math.min(SIDE - 1 - last, Math.max(-first, roundHalfToEven((SIDE - 1) / 2 - moment / ink)));
}
