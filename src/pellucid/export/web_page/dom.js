// Helpers for building and colouring the page.

// element("button", {class: "main", onclick: f}, "Go"): properties that start with "on" are listeners, the others are attributes.
// A value of true sets an empty attribute; false, null and undefined leave the attribute out.
export function element(tag, attributes = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) created.addEventListener(name.slice(2), value);
    else if (value === true) created.setAttribute(name, "");
    else if (value !== false && value != null) created.setAttribute(name, value);
  }
  created.append(...children.filter((child) => child != null));
  return created;
}

export const percent = (fraction, digits = 1) => `${(100 * fraction).toFixed(digits)} %`;
export const thousands = (value) => value.toLocaleString("en");

// A loss with four decimals; a very small or a large one as a power of ten. null: it is infinite.
export function lossText(loss) {
  if (loss === null || loss === Infinity) return "∞";
  const size = Math.abs(loss);
  return size >= 1000 || (size && size < 0.001) ? loss.toExponential(2).replace("e+", "e").replace("-", "−") : loss.toFixed(4);
}

// The value of a CSS variable, for canvases: colour("--blue").
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function onThemeChange(draw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

// Runs `draw` in the next frame. Calls before that frame are merged into one.
export function oncePerFrame(draw) {
  let scheduled = false;
  return () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => { scheduled = false; draw(); });
  };
}

// Gives a canvas the resolution of the screen and returns its context, in which one unit is one CSS pixel. Call it before each
// drawing, because the size may have changed.
export function fitToScreen(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

// A radio group of buttons: radioGroup("Normalization", [["mass", "centre of mass", "tooltip"], …], "mass", onChange). Its method
// check(value) selects a button without calling onChange.
export function radioGroup(label, options, initial, onChange) {
  const group = element("div", {class: "choice", role: "radiogroup", "aria-label": label});
  group.check = (value) => {
    for (const button of group.children) {
      const checked = button.dataset.value === value;
      button.setAttribute("aria-checked", checked);
      button.tabIndex = checked ? 0 : -1;
    }
  };
  const choose = (value) => { group.check(value); onChange(value); };
  for (const [value, text, title] of options) {
    group.append(element("button", {
      type: "button", role: "radio", "data-value": value, title, onclick: () => choose(value),
      onkeydown: (event) => {
        const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
        if (!step) return;
        event.preventDefault();
        const buttons = [...group.children];
        const next = buttons[(buttons.indexOf(event.target) + step + buttons.length) % buttons.length];
        next.focus();
        choose(next.dataset.value);
      },
    }, text));
  }
  group.check(initial);
  return group;
}

// Paints values on a canvas with one pixel for each value; CSS enlarges the canvas. mix(i, data, at) writes the red, green and
// blue of value i into `data` at index `at`.
export function paintPixels(canvas, width, height, mix) {
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    mix(i, image.data, 4 * i);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// A greyscale image: values from 0 to 255, row by row.
export function paintGrey(canvas, values, width, height) {
  paintPixels(canvas, width, height, (i, data, at) => { data[at] = data[at + 1] = data[at + 2] = values[i]; });
}

// Signed values: zero is the colour of the paper, positive values tend to `positive`, negative ones to blue. A `scale` of 0 means
// the largest absolute value.
export function paintSigned(canvas, values, width, height, scale, positive = "--vermilion") {
  const max = scale || values.reduce((m, v) => Math.max(m, Math.abs(v)), 0) || 1;
  const [paper, plus, minus] = ["--paper", positive, "--blue"].map((name) => rgb(colour(name)));
  paintPixels(canvas, width, height, (i, data, at) => {
    const fraction = Math.min(1, Math.abs(values[i]) / max), to = values[i] > 0 ? plus : minus;
    for (let c = 0; c < 3; c++) data[at + c] = paper[c] + (to[c] - paper[c]) * fraction;
  });
}

// [red, green, blue] of a colour "#rrggbb".
export function rgb(hex) {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

// A button that copies the text of an element. Where the browser does not allow it, the text is selected for Ctrl-C.
export function copyButton(source) {
  const button = element("button", {
    type: "button", async onclick() {
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    },
  }, "Copy");
  return button;
}
