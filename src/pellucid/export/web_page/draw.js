// The page of a network of digits: the pad, the verdict under it, and a bar for each class.

import {createAnswers} from "./answers.js";
import {compute, pellucid} from "./compute.js";
import {element, oncePerFrame, paintGrey} from "./dom.js";
import {createPad} from "./pad.js";
import {PAGE} from "./page.js";
import {SIDE, digit} from "./rendering.js";

const WARM_UP = 3;                                   // computations before the first stroke, in which the browser compiles the network

const answers = createAnswers(PAGE.output, {noDigit: PAGE.input.noDigit});
const input = element("canvas", {class: "pixels", width: SIDE, height: SIDE, role: "img", "aria-label": "The image of 28 × 28 pixels that the network receives"});
const time = element("p", {class: "quiet"});
let strokes = [];

const answer = oncePerFrame(() => {
  if (!strokes.length) { clear(); return; }
  const start = performance.now(), image = digit(strokes), outputs = compute(image), end = performance.now();
  paintGrey(input, image, SIDE, SIDE);
  answers.show(outputs);
  time.textContent = `Computed in ${Math.max(0.1, end - start).toFixed(1)} ms.`;
});

function clear() {
  paintGrey(input, new Uint8Array(SIDE * SIDE), SIDE, SIDE);
  answers.clear("Draw a digit.");
  time.textContent = "";
}

const pad = createPad((next) => { strokes = pellucid.strokes = next; answer(); });
pellucid.digit = digit;
clear();
document.getElementById("page").append(element("div", {class: "columns"},
  element("div", {class: "stack"},
    pad.box,
    answers.verdict,
    element("div", {class: "row"},
      element("button", {type: "button", onclick: pad.undo, title: "Ctrl+Z on the pad"}, "Undo"),
      element("button", {type: "button", onclick: pad.clear, title: "Delete on the pad"}, "Clear"))),
  element("div", {class: "stack"},
    element("section", {class: "card"}, element("h2", {}, "What the network answers"), answers.box),
    element("section", {class: "card seen"}, input, element("div", {},
      element("h2", {}, "What the network sees"),
      element("p", {class: "quiet"}, "28 × 28 pixels: the drawing with even strokes, scaled and centred like the digits of MNIST."),
      time)))));
pad.paint();
setTimeout(() => { for (let i = 0; i < WARM_UP; i++) pellucid.predict(new Uint8Array(SIDE * SIDE)); });
