// The panel of one unit, which opens below its layer: its feature map enlarged, the computation of the number that is pointed at,
// the image that excites it most, and the digits that do.

import {post, unpackBytes, unpackFloats} from "../api.js";
import {element, onThemeChange, paintGrey, paintSigned} from "../dom.js";
import {createPatchView, number} from "./inside-patch.js";

const SIDE = 28;                                      // pixels of an image

// close() is called by the button and by Escape; move(step) opens the next unit or the one before.
export function createUnitPanel({close, move}) {
  const title = element("h3", {tabindex: -1}), map = createEnlargedMap(), looks = element("div", {class: "unit-looks"});
  const computation = element("div", {class: "unit-map"}, map.box, map.patch);
  const box = element("section", {class: "unit", "aria-label": "One unit", onkeydown(event) { if (event.key === "Escape") close(); }},
    element("div", {class: "row"}, title,
      element("button", {type: "button", class: "small", "aria-label": "Unit before", onclick: () => move(-1)}, "‹ before"),
      element("button", {type: "button", class: "small", "aria-label": "Next unit", onclick: () => move(1)}, "next ›"),
      element("button", {type: "button", class: "small", onclick: close}, "Close")),
    computation, looks);
  let current = 0;                                    // the number of the newest unit: answers about older ones are ignored

  // Shows a unit. For one of a convolution or pooling, showMap() follows with each drawing.
  function open(network, stage, unit, {weights = null} = {}) {
    const mine = ++current;
    title.textContent = `${stage.dense ? "Neuron" : "Map"} ${unit} of ${stage.name}`;
    computation.hidden = stage.dense;
    map.reset();
    looks.replaceChildren();
    if (!stage.learned) return;
    const image = part("What it looks for", stage.dense
      ? "The image that excites it most. The computer found it by changing each pixel a little, again and again."
      : "The image that excites it most in the middle of its map. The computer found it by changing each pixel a little, again and again.");
    const digits = part("Digits that excite it most", "Looking for them …");
    looks.append(...(weights ? [weightsPart(weights)] : []), image.box, digits.box);
    const request = {network, stage: stage.name, unit};
    post("/api/inside/image", request).then((answer) => {
      if (mine === current) image.box.insertBefore(picture(unpackFloats(answer.image).map((value) => 255 * value), "The image that excites it most"), image.text);
    }).catch((error) => { if (mine === current) image.text.textContent = error.message; });
    post("/api/inside/digits", request).then((answer) => {
      if (mine === current) showDigits(digits, answer, stage);
    }).catch((error) => { if (mine === current) digits.text.textContent = error.message; });
  }
  return {box, open, showMap: map.show, clearMap: map.reset, focus: () => title.focus()};
}

function part(heading, words) {
  const text = element("p", {class: "quiet small"}, words);
  return {box: element("div", {}, element("h4", {}, heading), text), text};
}

function picture(values, label) {
  const canvas = element("canvas", {class: "pixels", role: "img", "aria-label": label});
  paintGrey(canvas, values, SIDE, SIDE);
  return canvas;
}

// The weights of a neuron that reads the pixels: one for each of them.
function weightsPart(weights) {
  const canvas = element("canvas", {class: "pixels", role: "img", "aria-label": "The weight of each pixel"});
  const paint = () => paintSigned(canvas, weights, SIDE, SIDE);
  paint();
  onThemeChange(() => { if (canvas.isConnected) paint(); });
  return element("div", {}, element("h4", {}, "Its weights"), canvas,
    element("p", {class: "quiet small"}, "One for each pixel. Vermilion: ink here excites it. Blue: ink here inhibits it."));
}

function showDigits({box, text}, answer, stage) {
  if (answer.unavailable) { text.textContent = `There are no digits on this computer to choose from: ${answer.unavailable}`; return; }
  text.textContent = `Of ${answer.count} images of the validation set of ${answer.data}.`
    + (frame([0, 0], stage.field) ? " The frame is the part that excites it." : "");
  box.insertBefore(element("ul", {class: "unit-digits"}, ...answer.digits.map(({image, label, value, place}) => element("li", {},
    element("div", {class: "framed"}, picture(unpackBytes(image), `a ${label}, output ${number(value, 2)}`), place && frame(place, stage.field)),
    element("span", {class: "small numbers"}, element("strong", {}, label), ` ${number(value, 2)}`)))), text);
}

// The pixels that a place of a map sees, as a frame over an image; null if it sees the whole image, or if that is not known.
function frame([row, column], field) {
  if (!field || field.size >= SIDE) return null;
  const box = element("span", {class: "frame", "aria-hidden": "true"});
  const start = (at) => field.first + field.step * at - (field.size - 1) / 2;
  box.style.left = `${100 * start(column) / SIDE}%`;
  box.style.top = `${100 * start(row) / SIDE}%`;
  box.style.width = box.style.height = `${100 * field.size / SIDE}%`;
  return box;
}

// A feature map with a cursor, which the pointer and the arrow keys move, and the computation at the cursor.
function createEnlargedMap() {
  const canvas = element("canvas", {
    tabindex: 0, role: "application", "aria-label": "The map, enlarged: point at a number, or move with the arrow keys",
  });
  const cursor = element("span", {class: "cursor", "aria-hidden": "true"}), where = element("p", {class: "small numbers", role: "status"});
  const patch = createPatchView(), box = element("div", {class: "enlarged"}, element("div", {class: "framed"}, canvas, cursor), where);
  let map = null, shown = null, at = null;              // `shown`: the map whose computation is shown, at the place `at`

  function show(answer) {
    map = unpacked(answer);
    box.hidden = patch.box.hidden = false;
    const [h, w] = map.shape;
    canvas.style.aspectRatio = `${w} / ${h}`;
    paint();
    if (!at || at[0] >= h || at[1] >= w) at = strongest(map);
    move(at);
  }
  function paint() {
    if (map) paintSigned(canvas, map.steps.at(-1).values, map.shape[1], map.shape[0]);
  }
  function move([row, column]) {
    const [h, w] = map.shape, before = `${at}`, isNew = shown !== map;
    shown = map;
    at = [Math.max(0, Math.min(h - 1, row)), Math.max(0, Math.min(w - 1, column))];
    cursor.style.left = `${100 * at[1] / w}%`;
    cursor.style.top = `${100 * at[0] / h}%`;
    cursor.style.width = `${100 / w}%`;
    cursor.style.height = `${100 / h}%`;
    where.textContent = `Row ${at[0]}, column ${at[1]}: ${number(map.steps.at(-1).values[at[0] * w + at[1]])}`;
    if (isNew || before !== `${at}`) patch.show(map, ...at);
  }
  function reset() {
    map = at = null;
    box.hidden = patch.box.hidden = true;
    patch.reset();
  }
  const point = (event) => {
    if (!map) return;
    const frame = canvas.getBoundingClientRect();
    move([Math.floor((event.clientY - frame.top) / frame.height * map.shape[0]), Math.floor((event.clientX - frame.left) / frame.width * map.shape[1])]);
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("keydown", (event) => {
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
    if (!step || !map) return;
    event.preventDefault();
    move([at[0] + step[0], at[1] + step[1]]);
  });
  onThemeChange(paint);
  reset();
  return {box, patch: patch.box, show, reset};
}

// An answer about a map with its arrays unpacked.
function unpacked({steps, input, kernel, ...rest}) {
  return {
    ...rest,
    steps: steps.map((step) => ({...step, values: unpackFloats(step.values)})),
    ...(input && {input: {...input, values: unpackFloats(input.values)}}),
    ...(kernel && {kernel: unpackFloats(kernel)}),
  };
}

// The place [row, column] with the largest absolute value.
function strongest({steps, shape: [, w]}) {
  const values = steps.at(-1).values;
  let best = 0;
  values.forEach((value, i) => { if (Math.abs(value) > Math.abs(values[best])) best = i; });
  return [Math.floor(best / w), best % w];
}
