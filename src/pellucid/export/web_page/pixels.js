// The pixels of picture files: decoded by the browser, and as bytes.

import {element} from "./dom.js";

const LIGHT = 127;                                   // a border with a median above this is light
const FAINT = 8;                                     // levels: a difference from white that is not seen
const MAX_PIXELS = 89_478_485;                       // of a picture, as Pillow's limit

// The RGBA pixels of a file. Throws an error for a file that is no picture.
export async function decoded(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none"});
  } catch {
    throw new Error("this is not a picture that the browser can decode");
  }
  if (bitmap.width * bitmap.height > MAX_PIXELS) throw new Error(`the picture has more than ${MAX_PIXELS.toLocaleString("en")} pixels: make it smaller`);
  const canvas = element("canvas", {width: bitmap.width, height: bitmap.height});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// {width, height, values: bytes (height, width, channels)} of RGBA pixels: transparent parts become white, or black where
// everything else is white; and with one channel the colours become grey.
export function opaque({data, width, height}, channels) {
  let least = 255, most = 0;                          // opacity
  for (let i = 3; i < data.length; i += 4) [least, most] = [Math.min(least, data[i]), Math.max(most, data[i])];
  const on = (background) => {
    const values = new Uint8Array(width * height * channels);
    let darkest = 255;
    for (let i = 0; i < width * height; i++) {
      const alpha = data[4 * i + 3] / 255;
      const [r, g, b] = [0, 1, 2].map((c) => Math.round(alpha * data[4 * i + c] + (1 - alpha) * background));
      darkest = Math.min(darkest, r, g, b);
      if (channels === 3) values.set([r, g, b], 3 * i);
      else values[i] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;          // ITU-R 601, as Pillow computes it
    }
    return {values, darkest};
  };
  const {values, darkest} = on(255), unseen = least < 255 && most > 0 && darkest > 255 - FAINT;
  return {width, height, values: unseen ? on(0).values : values};
}

// Whether the border of a grey picture is light: then it is ink on paper.
export const hasLightBorder = (picture) => borderMedian(picture) > LIGHT;

export function borderMedian({width, height, values}) {
  const border = [];
  for (let row = 0; row < height; row++) {
    const step = row === 0 || row === height - 1 || width === 1 ? 1 : width - 1;
    for (let column = 0; column < width; column += step) border.push(values[row * width + column]);
  }
  if (width === 1) for (let row = 1; row < height - 1; row++) border.push(values[row]);  // both edges are the same column
  border.sort((a, b) => a - b);
  return (border[(border.length - 1) >> 1] + border[border.length >> 1]) / 2;
}
