// The panel around the drawing pad, which exists once and is moved to the tab that is shown: Draw, Inside or Why.

import {appState} from "./app-state.js";
import {element, paintGrey, radioGroup} from "./dom.js";
import {createPad} from "./pad.js";

const NORMALIZATIONS = [
  ["mass", "centre of mass", "Scaled to 20 × 20 pixels, with its centre of mass in the centre of the image, like MNIST"],
  ["box", "bounding box", "Scaled to 20 × 20 pixels, with its bounding box in the centre of the image"],
  ["none", "as drawn", "The whole pad, scaled down"],
];

function createPanel() {
  const pad = createPad((strokes) => appState.setStrokes(strokes));
  const input = element("canvas", {class: "pixels network-input", width: 28, height: 28, role: "img", "aria-label": "The image of 28 × 28 pixels that the networks receive"});
  const showInput = (pixels) => paintGrey(input, pixels, 28, 28);
  const box = element("div", {class: "stack panel"},
    pad.box,
    element("div", {class: "row"},
      element("button", {type: "button", onclick: pad.undo, title: "Ctrl+Z on the pad"}, "Undo"),
      element("button", {type: "button", onclick: pad.clear, title: "Delete on the pad"}, "Clear")),
    element("div", {class: "card network-input-card"},
      input,
      element("div", {},
        element("h2", {}, "What the networks see"),
        element("p", {class: "quiet"}, "28 × 28 pixels. Position and size of the digit:"),
        radioGroup("Position and size of the digit", NORMALIZATIONS, "mass", (name) => appState.setNormalization(name)))));
  showInput(new Uint8Array(784));
  appState.addEventListener("drawing", () => { if (!appState.strokes.length) showInput(new Uint8Array(784)); });
  return {box, showInput, paint: pad.paint};
}

let panel = null;

// Moves the panel to the beginning of `container` and returns it: showInput(pixels) shows the image that the networks receive.
export function attachPad(container) {
  panel ??= createPanel();
  if (panel.box.parentElement !== container) container.prepend(panel.box);
  requestAnimationFrame(() => panel.paint());
  return panel;
}
