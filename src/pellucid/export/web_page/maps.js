// The page of a network that gives a class to each pixel: a place to drop pictures, and for each of them the map of the classes over
// the picture, with a legend.

import {compute, pellucid} from "./compute.js";
import {element, paintPixels, percent, rgb} from "./dom.js";
import {PAGE} from "./page.js";
import {showPictureCards} from "./picture-cards.js";

const {width, height, channels} = PAGE.input, {names, colors, rows, columns, probabilities, single} = PAGE.output;
const SHARE = 0.6;                                   // of the colour of a class; the rest is the picture
const k = single ? 1 : names.length;                 // outputs of a position

// The class of each position, that with the highest output.
function labelsOf(outputs) {
  return Array.from({length: rows * columns}, (_, at) => {
    if (single) return Number(outputs[at] > (probabilities ? 0.5 : 0));
    let best = 0;
    for (let c = 1; c < k; c++) if (outputs[k * at + c] > outputs[k * at + best]) best = c;
    return best;
  });
}

const colourOf = (values, i, c) => values[channels * i + (channels === 1 ? 0 : c)];

// The position of a pixel of the picture: the map may be smaller.
const positionOf = (row, column) => Math.floor(row * rows / height) * columns + Math.floor(column * columns / width);

showPictureCards(PAGE.input, (values) => {
  const outputs = compute(values), labels = pellucid.labels = labelsOf(outputs), mixed = colors.map(rgb);
  const picture = element("canvas", {class: "pixels", role: "img", "aria-label": "The picture that the network receives"});
  paintPixels(picture, width, height, (i, data, at) => { for (let c = 0; c < 3; c++) data[at + c] = colourOf(values, i, c); });

  const counts = names.map(() => 0);
  for (const label of labels) counts[label]++;
  const present = names.map((_, label) => label).filter((label) => counts[label]).sort((a, b) => counts[b] - counts[a]);
  const shares = present.map((label) => [label, percent(counts[label] / labels.length)]);
  const map = element("canvas", {class: "pixels", role: "img", "aria-label": `The map of the classes: ${shares.map(([label, share]) => `${names[label]} ${share}`).join(", ")}`});
  paintPixels(map, width, height, (i, data, at) => {
    const colour = mixed[labels[positionOf(Math.floor(i / width), i % width)]];
    for (let c = 0; c < 3; c++) data[at + c] = Math.round(SHARE * colour[c] + (1 - SHARE) * colourOf(values, i, c));
  });

  const pointed = element("p", {class: "quiet"}, "Point at the map for the class of a pixel.");
  map.addEventListener("pointermove", (event) => {
    const frame = map.getBoundingClientRect();
    const place = (part, size) => Math.min(size - 1, Math.max(0, Math.floor(part * size)));
    const row = place((event.clientY - frame.top) / frame.height, height), column = place((event.clientX - frame.left) / frame.width, width);
    const at = positionOf(row, column), label = labels[at];
    const p = single ? (label ? outputs[at] : 1 - outputs[at]) : outputs[k * at + label];
    pointed.textContent = `Row ${row + 1}, column ${column + 1}: ${names[label]}${probabilities ? `, ${percent(p)}` : ""}.`;
  });

  const legend = element("ul", {class: "legend", "aria-label": "The classes on the map, and the share of each"}, ...shares.map(([label, share]) => {
    const swatch = element("canvas", {width: 1, height: 1, "aria-hidden": "true"});
    paintPixels(swatch, 1, 1, (_, data, at) => data.set(mixed[label], at));
    return element("li", {}, swatch, element("span", {class: "name"}, names[label]), element("span", {class: "value"}, share));
  }));
  return [element("div", {class: "map"}, picture, map), pointed, legend];
});
