// The loss surface of the playground: the training loss in the plane in which the weights moved most, and the path that they took.
// As in the figures of pellucid.plots, the bands cover equal areas, so that valleys and cliffs are both visible.

import {unpackFloats} from "../api.js";
import {colour as readColour, element, fitToScreen, lossText, onThemeChange, paintPixels} from "../dom.js";
import {colour, colourRgb} from "./playground-plane.js";

const BANDS = 10, PIXELS = 160;                      // of the image, in each direction
const WHILE_PLAYING = 2000;                          // milliseconds between two requests: each takes some hundredths of a second
const HINT = "More blue: a larger loss. White circle: start. Black square: now. Point at a place.";
const EMPTY = "Train a few steps: there is no path yet.";
const FONT = "12px system-ui, 'Segoe UI', Roboto, Arial, sans-serif";

export function createSurface(session) {
  const canvas = element("canvas", {class: "playground-surface", role: "img"}), image = document.createElement("canvas");
  const show = element("input", {type: "checkbox", onchange: () => session.setView({surface: show.checked})});
  const text = element("p", {class: "quiet small numbers playground-readout"}, HINT);
  const about = element("p", {class: "quiet small"},
    "Every weight is a direction. This is the plane of the two directions in which the weights moved most: the principal components of their path (Li et al., 2018).");
  const panel = element("div", {}, canvas, text, about);
  let heights = null, size = 0, surface = null, lastRequest = -Infinity, waiting = false;

  function request() {
    if (!session.view.surface || waiting) return;
    if (session.playing && performance.now() - lastRequest < WHILE_PLAYING) return;
    lastRequest = performance.now();
    waiting = true;
    session.loadSurface().finally(() => { waiting = false; });
  }

  // The height at a place of the image, between the heights of the grid. `across` and `up` are from 0 to 1.
  function heightAt(across, up) {
    const x = Math.min(across * (size - 1), size - 1.001), y = Math.min(up * (size - 1), size - 1.001);
    const i = Math.floor(x), j = Math.floor(y), [fx, fy] = [x - i, y - j], at = (row, column) => heights[row * size + column];
    return (1 - fy) * ((1 - fx) * at(j, i) + fx * at(j, i + 1)) + fy * ((1 - fx) * at(j + 1, i) + fx * at(j + 1, i + 1));
  }

  function paintBands() {
    const sorted = Float32Array.from(heights).sort(), levels = Array.from({length: BANDS - 1}, (_, k) => sorted[Math.floor(sorted.length * (k + 1) / BANDS)]);
    const paper = colourRgb("--paper"), blue = colourRgb("--blue");
    paintPixels(image, PIXELS, PIXELS, (k, data, at) => {
      const height = heightAt((k % PIXELS + 0.5) / PIXELS, 1 - (Math.floor(k / PIXELS) + 0.5) / PIXELS);
      let band = 0;
      while (band < BANDS - 1 && height >= levels[band]) band++;
      const fraction = 0.06 + 0.74 * band / (BANDS - 1);
      for (let c = 0; c < 3; c++) data[at + c] = paper[c] + (blue[c] - paper[c]) * fraction;
    });
  }

  function draw() {
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    const context = fitToScreen(canvas, width, height);
    context.clearRect(0, 0, width, height);
    if (!surface) {
      context.font = FONT;
      context.fillStyle = readColour("--quiet");
      context.textAlign = "center";
      context.fillText(EMPTY, width / 2, height / 2);
      return;
    }
    context.imageSmoothingEnabled = true;
    context.drawImage(image, 0, 0, width, height);
    const [left, right, bottom, top] = surface.extent;
    const places = surface.path.map(([x, y]) => [(x - left) / (right - left) * width, (top - y) / (top - bottom) * height]);
    for (const [width_, name] of [[4, "--paper"], [2, "--vermilion"]]) {   // a light border keeps the path visible on every band
      context.lineWidth = width_;
      context.lineJoin = "round";
      context.strokeStyle = colour(name);
      context.beginPath();
      places.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.stroke();
    }
    const [[x0, y0], [x1, y1]] = [places[0], places.at(-1)];
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(x0, y0, 5, 0, 7);
    context.fillStyle = "#ffffff";
    context.strokeStyle = "#000000";
    context.fill();
    context.stroke();
    context.beginPath();
    context.rect(x1 - 4.5, y1 - 4.5, 9, 9);
    context.fillStyle = "#000000";
    context.strokeStyle = "#ffffff";
    context.fill();
    context.stroke();
  }

  function update() {
    surface = session.surface;
    if (surface) {
      heights = unpackFloats(surface.heights);
      size = Math.round(Math.sqrt(heights.length));
      paintBands();
    }
    const shares = surface?.shares.map((share) => `${Math.round(100 * share)} %`);
    canvas.setAttribute("aria-label", surface
      ? `The loss surface: from ${lossText(Math.min(...heights))} to ${lossText(Math.max(...heights))}. Its directions hold ${shares.join(" and ")} of the path's variance.`
      : `The loss surface. ${EMPTY}`);
    draw();
  }

  function showView() {
    show.checked = session.view.surface;
    panel.hidden = !session.view.surface;
    if (session.view.surface) { draw(); request(); }
  }

  canvas.addEventListener("pointermove", (event) => {
    if (!surface) return;
    const frame = canvas.getBoundingClientRect();
    text.textContent = `Loss ${lossText(heightAt((event.clientX - frame.left) / frame.width, 1 - (event.clientY - frame.top) / frame.height))} at this place.`;
  });
  canvas.addEventListener("pointerleave", () => { text.textContent = HINT; });
  new ResizeObserver(draw).observe(canvas);
  onThemeChange(() => { if (surface) paintBands(); draw(); });
  session.addEventListener("surface", update);
  session.addEventListener("state", request);
  session.addEventListener("playing", request);
  session.addEventListener("view", showView);
  update();
  showView();
  return element("div", {class: "playground-landscape"},
    element("label", {class: "small"}, show, "Loss surface, with the path of the weights"), panel);
}
