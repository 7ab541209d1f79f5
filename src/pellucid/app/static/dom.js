// Small helpers for building and colouring the page.

// element("button", {class: "main", onclick: f}, "Go"): properties that start with "on" are listeners, the rest attributes.
export function element(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
export const thousands = (number) => number.toLocaleString("en");

// The value of a CSS variable, for canvases: colour("--blue").
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function whenThemeChanges(draw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

// A canvas as sharp as the screen: returns its context with one unit a CSS pixel. Call it again after a change of size.
export function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

// A group of buttons of which one is chosen: choice("Normalization", [["mass", "centre of mass"], …], "mass", changed).
export function choice(label, options, chosen, changed) {
  const group = element("div", {class: "choice", role: "radiogroup", "aria-label": label});
  const pick = (value, tell = true) => {
    for (const button of group.children) {
      const on = button.dataset.value === value;
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
    }
    if (tell) changed(value);
  };
  for (const [value, text, title] of options) {
    group.append(element("button", {
      type: "button", role: "radio", "data-value": value, title, onclick: () => pick(value),
      onkeydown: (event) => {
        const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
        if (!step) return;
        event.preventDefault();
        const all = [...group.children], next = all[(all.indexOf(event.target) + step + all.length) % all.length];
        next.focus();
        pick(next.dataset.value);
      },
    }, text));
  }
  pick(chosen, false);
  group.pick = pick;
  return group;
}

// A grey picture (0 to 255, row by row) on a canvas of its own size; CSS makes it large.
export function paintGrey(canvas, pixels, width, height) {
  canvas.width = width; canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < pixels.length; i++) {
    image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = pixels[i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// Signed numbers on a canvas: positive red, negative blue as lectures draw them (vermilion and blue here), 0 the paper. Numbers
// that have no sign are painted in another colour.
export function paintSigned(canvas, values, width, height, scale, above = "--vermilion") {
  canvas.width = width; canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  const most = scale || values.reduce((m, v) => Math.max(m, Math.abs(v)), 0) || 1;
  const [paper, plus, minus] = ["--paper", above, "--blue"].map((name) => rgb(colour(name)));
  for (let i = 0; i < values.length; i++) {
    const share = Math.min(1, Math.abs(values[i]) / most), to = values[i] > 0 ? plus : minus;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = paper[c] + (to[c] - paper[c]) * share;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

export function rgb(hex) {
  const whole = parseInt(hex.slice(1), 16);
  return [whole >> 16, (whole >> 8) & 255, whole & 255];
}

// A button that copies what is in an element.
export function copier(code) {
  const button = element("button", {
    type: "button", async onclick() {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {                                      // not allowed here: selected, so that Ctrl-C copies it
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    },
  }, "Copy");
  return button;
}
