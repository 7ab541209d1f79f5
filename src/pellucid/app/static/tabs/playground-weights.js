// The weights of the unit that is selected in the diagram of the playground: fields to set them by hand.

import {element} from "../dom.js";
import {LIMITS} from "./playground-settings.js";

// onSet(source, value): the user sets the weight from this input of the unit's layer, counted from 1; 0 is the bias. onUndo(): the
// user undoes all weights set by hand. onClose(): the user closes the fields.
export function createWeightFields({onSet, onUndo, onClose}) {
  const title = element("h3", {}), grid = element("div", {class: "playground-weight-grid"});
  const undo = element("button", {type: "button", title: "Trains the network again without the weights set by hand", onclick: onUndo}, "Undo all set by hand");
  const close = element("button", {type: "button", onclick: onClose}, "Close");
  const box = element("div", {class: "playground-weights", hidden: true, onkeydown: (event) => { if (event.key === "Escape") onClose(); }},
    title, grid, element("div", {class: "row"}, close, undo,
      element("span", {class: "small quiet"}, "A new value counts from this step on. Training goes on from there.")));
  let inputs = [];                                   // by source

  function field(label, source) {
    const input = element("input", {
      type: "number", step: 0.1, min: -LIMITS.weight, max: LIMITS.weight,
      onchange: () => {
        const value = Number(input.value);
        if (input.value.trim() !== "" && Math.abs(value) <= LIMITS.weight) onSet(source, value);
        else input.value = input.dataset.value;
      },
    });
    inputs[source] = input;
    return element("label", {class: "field"}, label, input);
  }

  return {
    box,
    // `sources`: the names of the inputs of the unit's layer.
    open(name, sources) {
      title.textContent = `Weights of ${name}`;
      inputs = [];
      grid.replaceChildren(...sources.map((source, i) => field(`from ${source}`, i + 1)), field("bias", 0));
      box.hidden = false;
    },
    close() { box.hidden = true; inputs = []; },
    // The values by source. The field in which the user types keeps its text.
    update(values) {
      values.forEach((value, source) => {
        const text = String(Number(value.toPrecision(4)));
        inputs[source].dataset.value = text;
        if (inputs[source] !== document.activeElement) inputs[source].value = text;
      });
    },
    setEdits(count) { undo.hidden = !count; },
    focus(source) { inputs[source]?.focus(); inputs[source]?.select(); },
  };
}
