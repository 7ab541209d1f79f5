// The card of one attribution method on the tab Why: the map of the attributions, and numbers with their units.

import {unpackFloats} from "../api.js";
import {element, onThemeChange, paintSigned, percent} from "../dom.js";

const TITLES = {
  "saliency": "Saliency", "input-times-gradient": "Input × gradient", "integrated-gradients": "Integrated gradients",
  "expected-gradients": "Expected gradients (SHAP)", "occlusion": "Occlusion",
  "deeplift": "DeepLIFT", "grad-cam": "Grad-CAM",
};

export function methodCard({name, about, signed, first}) {
  const title = TITLES[name] ?? name;
  const canvas = element("canvas", {width: 28, height: 28, role: "img", "aria-label": `${title}: the attribution of each pixel`});
  const values = element("dl"), message = element("p", {class: "quiet small", role: "status"});
  const box = element("article", {class: "card", "data-method": name},
    element("h2", {}, title), element("p", {class: "quiet small"}, about), canvas, values, message);
  let attribution = null;
  const paint = () => paintSigned(canvas, attribution ?? new Float32Array(784), 28, 28, 0, signed ? "--vermilion" : "--ink");
  function clear() { attribution = null; values.replaceChildren(); message.textContent = ""; paint(); }
  function show(answer) {
    attribution = unpackFloats(answer.values);
    paint();
    message.textContent = "";
    values.replaceChildren(...answer.numbers.flatMap((one) => [element("dt", {}, one.label), element("dd", {}, withUnit(one))]));
  }
  function showError(text) { clear(); message.textContent = text; }
  onThemeChange(paint);
  clear();
  return {name, first, box, show, clear, showError};
}

// A number with its unit: "3.14 logits", "0.02 logits (0.2 %)", "12 ms".
function withUnit({value, unit, fraction, text}) {
  if (text != null) return text;
  const size = Math.abs(value), number = unit === "ms" ? value.toFixed(0) : value.toFixed(2).replace("-", "−");
  if (fraction == null) return `${number} ${unit}`;
  return size && size < 0.005 ? `less than 0.01 ${unit}` : `${number} ${unit} (${percent(fraction)})`;
}
