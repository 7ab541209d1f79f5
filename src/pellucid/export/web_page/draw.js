// The page of a network of digits: the pad, the verdict under it, and a bar for each class. A picture of a digit is read too.

import {createAnswers} from "./answers.js";
import {compute, pellucid} from "./compute.js";
import {element, oncePerFrame, paintGrey} from "./dom.js";
import {createPad} from "./pad.js";
import {PAGE} from "./page.js";
import {onPictures, pictureChooser} from "./picture-files.js";
import {decoded, opaque} from "./pixels.js";
import {SIDE, digit} from "./rendering.js";
import {scanned} from "./scans.js";

const WARM_UP = 3;                                   // computations before the first stroke, in which the browser compiles the network

const answers = createAnswers(PAGE.output, {noDigit: PAGE.input.noDigit});
const input = element("canvas", {class: "pixels", width: SIDE, height: SIDE, role: "img", "aria-label": "The image of 28 × 28 pixels that the network receives"});
const time = element("p", {class: "quiet"});
const source = element("p", {class: "quiet"}), DRAWING = "28 × 28 pixels: the drawing with even strokes, scaled and centred like the digits of MNIST.";
let strokes = [], picture = null;                    // in place of a drawing: {name, image}, or {problem}

const answer = oncePerFrame(() => {
  if (!strokes.length && !picture?.image) { clear(picture?.problem); return; }
  const start = performance.now(), image = picture?.image ?? digit(strokes), outputs = compute(image), end = performance.now();
  paintGrey(input, image, SIDE, SIDE);
  answers.show(outputs);
  source.textContent = picture ? `28 × 28 pixels: the ink of ${picture.name}, scaled and centred like the digits of MNIST.` : DRAWING;
  time.textContent = `Computed in ${Math.max(0.1, end - start).toFixed(1)} ms.`;
});

function clear(text = "Draw a digit.") {
  paintGrey(input, new Uint8Array(SIDE * SIDE), SIDE, SIDE);
  answers.clear(text);
  source.textContent = DRAWING;
  time.textContent = "";
}

async function read([file]) {
  let found;
  try {
    found = {name: file.name || "the pasted picture", image: scanned(opaque(await decoded(file), 1))};
  } catch (error) {
    found = {problem: `Not read: ${error.message}.`};
  }
  pad.clear();
  picture = found;
  answer();
}

const pad = createPad((next) => { strokes = pellucid.strokes = next; picture = null; answer(); });
onPictures(pad.box, read);
pellucid.digit = digit;
clear();
document.getElementById("page").append(element("div", {class: "columns"},
  element("div", {class: "stack"},
    pad.box,
    answers.verdict,
    element("div", {class: "row"},
      element("button", {type: "button", onclick: pad.undo, title: "Ctrl+Z on the pad"}, "Undo"),
      element("button", {type: "button", onclick: pad.clear, title: "Delete on the pad"}, "Clear"),
      ...pictureChooser("Read a picture", {multiple: false}, read))),
  element("div", {class: "stack"},
    element("section", {class: "card"}, element("h2", {}, "What the network answers"), answers.box),
    element("section", {class: "card seen"}, input, element("div", {},
      element("h2", {}, "What the network sees"),
      source, time)))));
pad.paint();
setTimeout(() => { for (let i = 0; i < WARM_UP; i++) pellucid.predict(new Uint8Array(SIDE * SIDE)); });
