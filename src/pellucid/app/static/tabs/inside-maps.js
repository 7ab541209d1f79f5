// The feature maps of a network, layer by layer: each layer is one picture of all its maps, with a button over each map.

import {unpackBytes} from "../api.js";
import {element, paintSigned} from "../dom.js";

const MAX_COLUMNS = 16, MIN_BUTTON = 26;              // maps in a row; CSS pixels of a button

// open(stage, unit) is called with the description of a layer and the number of a map.
export function createMaps(open) {
  const box = element("div", {class: "maps"});
  let sheets = new Map();

  function setStages(stages) {
    sheets = new Map(stages.map((stage) => [stage.name, createSheet(stage, open)]));
    box.replaceChildren(...[...sheets.values()].map((sheet) => sheet.figure));
  }
  function paint(answers) {
    for (const answer of answers) if (answer.maps) sheets.get(answer.name)?.paint(answer);
  }
  return {box, setStages, paint, sheet: (name) => sheets.get(name)};
}

function createSheet(stage, open) {
  const canvas = element("canvas", {role: "img", "aria-label": `Feature maps of ${stage.name}`});
  const buttons = element("div", {class: "map-buttons", role: "group", "aria-label": `Maps of ${stage.name}: the arrow keys move, Enter opens`});
  const area = element("div", {class: "sheet"}, canvas, buttons);
  const figure = element("figure", {"data-stage": stage.name},
    element("figcaption", {}, sentence(stage.caption), element("span", {class: "quiet small"}, ` ${stage.name}: ${stage.about}`)), area);
  let count = 0, columns = 1, shown = null;

  function paint(answer) {
    const [h, w, c] = answer.shape.length === 3 ? answer.shape : [1, 1, answer.shape[0]];
    const values = unpackBytes(answer.maps);
    shown = answer;
    const across = Math.min(c, MAX_COLUMNS, Math.max(4, Math.floor((figure.clientWidth || 320) / MIN_BUTTON)));
    if (c !== count || across !== columns) { count = c; columns = across; makeButtons(); }
    area.style.maxWidth = `${Math.max(Math.min(3, 64 / w), MIN_BUTTON / (w + 1)) * columns * (w + 1)}px`;
    const rows = Math.ceil(c / columns), width = columns * (w + 1) - 1, height = rows * (h + 1) - 1, sheet = new Float32Array(width * height);
    for (let k = 0; k < c; k++) {
      const left = (k % columns) * (w + 1), top = Math.floor(k / columns) * (h + 1);
      for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) sheet[(top + y) * width + left + x] = values[(y * w + x) * c + k] - 127;
    }
    paintSigned(canvas, sheet, width, height, 127);
  }

  function makeButtons() {
    buttons.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
    buttons.replaceChildren(...Array.from({length: count}, (_, k) => element("button", {
      type: "button", tabindex: k ? -1 : 0, "aria-pressed": "false", "aria-label": `map ${k} of ${stage.name}`, onclick: () => open(stage, k),
      onkeydown: (event) => {
        const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[event.key], next = buttons.children[k + step];
        if (!step) return;
        event.preventDefault();
        if (next) focus(k + step);
      },
    })));
  }

  function focus(k) {
    for (const button of buttons.children) button.tabIndex = -1;
    buttons.children[k].tabIndex = 0;
    buttons.children[k].focus();
  }
  function mark(k) {                                  // the map that is open; null for none
    [...buttons.children].forEach((button, i) => button.setAttribute("aria-pressed", i === k));
  }
  new ResizeObserver(() => { if (shown) paint(shown); }).observe(figure);
  return {figure, paint, focus, mark, get count() { return count; }};
}

const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;
