// The panel around the drawing pad, which exists once and is moved to the tab that is shown: Draw, Inside or Why.

import {appState} from "./app-state.js";
import {element, paintGrey, percent, radioGroup} from "./dom.js";
import {exampleDrawings} from "./examples.js";
import {createPad} from "./pad.js";
import {predictions} from "./predictions.js";

const NORMALIZATIONS = [
  ["mass", "centre of mass", "Scaled to 20 × 20 pixels, with its centre of mass in the centre of the image, like MNIST"],
  ["box", "bounding box", "Scaled to 20 × 20 pixels, with its bounding box in the centre of the image"],
  ["none", "as drawn", "The whole pad, scaled down"],
];

function createPanel() {
  const pad = createPad((strokes) => appState.setStrokes(strokes));
  const input = element("canvas", {class: "pixels network-input", width: 28, height: 28, role: "img", "aria-label": "The image of 28 × 28 pixels that the networks receive"});
  const showInput = (pixels) => paintGrey(input, pixels, 28, 28);
  const verdict = element("p", {class: "verdict-line"});
  const box = element("div", {class: "stack panel"},
    pad.box, verdict,
    element("div", {class: "row"},
      element("button", {type: "button", onclick: pad.undo, title: "Ctrl+Z on the pad"}, "Undo"),
      element("button", {type: "button", onclick: pad.clear, title: "Delete on the pad"}, "Clear")),
    exampleDrawings(pad.replace),
    element("div", {class: "card network-input-card"},
      input,
      element("div", {},
        element("h2", {}, "What the networks see"),
        element("p", {class: "quiet"}, "28 × 28 pixels. Position and size of the digit:"),
        radioGroup("Position and size of the digit", NORMALIZATIONS, "mass", (name) => appState.setNormalization(name)))));
  function showPredictions() {
    showInput(predictions.image ?? new Uint8Array(784));
    verdict.replaceChildren(...verdictParts());
    verdict.title = verdict.textContent;
  }
  showPredictions();
  predictions.addEventListener("change", showPredictions);
  appState.addEventListener("networks", showPredictions);
  return {box, pad};
}

// The predictions in one line: "7 97 % draw-cnn  7 99 % draw-mlp".
function verdictParts() {
  if (!predictions.image) return [element("span", {class: "quiet"}, appState.networks.length ? "The predictions appear here." : "There is no network yet: you can draw already.")];
  if (!predictions.latest.length) return [element("span", {class: "quiet"}, appState.networks.length ? "No network is selected on the tab Draw." : "There is no network yet. The picture below is what it will receive.")];
  return predictions.latest.map(({network, label, is_digit: isDigit, confidence}) => element("span", {},
    element("strong", {}, isDigit ? label : "✗ no digit"), ` ${confidence >= 0.995 ? "> 99 %" : percent(confidence, 0)} `, element("span", {class: "quiet small"}, network)));
}

let panel = null;

// Moves the panel to the beginning of `container`, and returns the pad.
export function attachPad(container) {
  panel ??= createPanel();
  if (panel.box.parentElement !== container) container.prepend(panel.box);
  requestAnimationFrame(() => panel.pad.paint());
  return panel.pad;
}
