// How one number of a feature map is computed: patch × kernel, added up, and what the layers after it do with the sum.

import {element} from "../dom.js";

const MAX_CHANNELS = 12;                              // buttons of the maps that contribute most

// The values that the kernel covers at this row and column of the map, and what they give. `map` is an answer of the server with
// unpacked arrays. Outside the input the values are 0; for pooling they are left out (null).
export function computed(map, row, column) {
  const {window: {kh, kw, sh, sw, top, left, dh, dw}, input: {shape: [h, w, c], values}, kernel} = map;
  const channels = Array.from({length: c}, () => ({patch: [], kernel: [], products: [], sum: 0}));
  for (let i = 0; i < kh; i++) for (let j = 0; j < kw; j++) {
    const y = row * sh - top + i * dh, x = column * sw - left + j * dw, inside = y >= 0 && y < h && x >= 0 && x < w;
    channels.forEach((channel, k) => {
      const value = inside ? values[(y * w + x) * c + k] : kernel ? 0 : null;
      channel.patch.push(value);
      if (!kernel) return;
      const weight = kernel[(i * kw + j) * c + k];
      channel.kernel.push(weight);
      channel.products.push(value * weight);
      channel.sum += value * weight;
    });
  }
  return {channels, sum: channels.reduce((total, channel) => total + channel.sum, 0)};
}

export const number = (value, digits = 3) => (Math.abs(value) < 0.5 * 10 ** -digits ? "0" : value.toFixed(digits).replace("-", "−"));

// A view of the computation: show(map, row, column) fills it.
export function createPatchView() {
  const box = element("div", {class: "patch"});
  let chosen = null, last = null;                     // the channel whose patch is shown; null: the one that contributes most

  function show(map, row, column) {
    last = [map, row, column];
    if (!map.kind) {
      box.replaceChildren(element("p", {class: "quiet small"}, "The page does not show how this layer computes its values."));
      return;
    }
    box.replaceChildren(...(map.kind === "convolution" ? convolution(map, row, column) : pooling(map, row, column)));
  }

  function convolution(map, row, column) {
    const {channels, sum} = computed(map, row, column), {kw} = map.window, first = map.input.first;
    const order = channels.map((_, k) => k).sort((a, b) => Math.abs(channels[b].sum) - Math.abs(channels[a].sum));
    const k = chosen ?? order[0], {patch, kernel, products, sum: part} = channels[k];
    const single = channels.length === 1, name = map.input.is_image ? "the image" : `map ${k + first} before`;
    const parts = [
      element("div", {class: "patch-tables"},
        table(`${map.input.is_image ? "pixels" : `map ${k + first}`} here`, patch, kw), element("span", {}, "×"),
        table("kernel", kernel, kw), element("span", {}, "="), table("products", products, kw)),
      element("p", {class: "numbers"}, `The ${products.length} products ${single ? "" : `with ${name} `}add up to `, strong(number(part)), "."),
    ];
    if (!single) parts.unshift(channelChoice(channels, order, k, first), element("p", {class: "quiet small"}, `For ${name}:`));
    const {bias, steps} = map, at = (values) => values[row * map.shape[1] + column], chain = [];
    if (!single) chain.push(element("p", {class: "numbers"}, `All ${channels.length} maps together: `, strong(number(sum)), "."));
    if (bias != null) chain.push(element("p", {class: "numbers"}, `Plus the bias ${number(bias)}: `, strong(number(at(steps[0].values))), "."));
    return [...parts, ...chain, ...afterwards(steps, at)];
  }

  // The sum over each map before: a filter adds them up. A click shows the numbers of that map.
  function channelChoice(channels, order, k, first) {
    const shown = order.slice(0, MAX_CHANNELS), rest = order.slice(MAX_CHANNELS).reduce((total, i) => total + channels[i].sum, 0);
    if (!shown.includes(k)) shown[shown.length - 1] = k;
    return element("div", {},
      element("p", {class: "quiet small"}, `This filter reads ${channels.length} maps, each with a kernel of its own. ${order.length > shown.length ? `The ${shown.length} that contribute most here` : "What each contributes here"}:`),
      element("div", {class: "channels"}, ...shown.map((i) => element("button", {
        type: "button", class: "small numbers", "aria-pressed": String(i === k), "data-channel": i,
        onclick() { chosen = i; show(...last); box.querySelector(`[data-channel="${i}"]`)?.focus(); },
      }, `map ${i + first}: ${signed(channels[i].sum)}`)),
      order.length > shown.length ? element("span", {class: "quiet small numbers"}, `the other ${order.length - shown.length}: ${signed(rest)}`) : null));
  }

  function pooling(map, row, column) {
    const [{patch}] = computed(map, row, column).channels, at = (values) => values[row * map.shape[1] + column];
    const known = patch.filter((value) => value !== null), result = at(map.steps[0].values);
    const marked = map.kind === "maximum" ? patch.findIndex((value) => value === Math.max(...known)) : -1;
    return [
      element("div", {class: "patch-tables"}, table("values before", patch, map.window.kw, marked)),
      element("p", {class: "numbers"}, `The ${map.kind === "maximum" ? "largest" : "mean"} of these ${known.length} values: `, strong(number(result)), "."),
      ...afterwards(map.steps, at)];
  }

  return {box, show, reset() { chosen = null; }};
}

const signed = (value) => (number(value) !== "0" && value > 0 ? "+" : "") + number(value);
const strong = (text) => element("strong", {}, text);

const WORDS = {relu: "a negative number becomes 0", batchnorm: "shifted and scaled as training has learned"};

// What the normalization and the activation of the layer make of the sum.
function afterwards(steps, at) {
  return steps.slice(1).map(({layer, about, values}) => {
    const words = WORDS[layer.split(".").at(-1).replace(/\d+$/, "")];
    return element("p", {class: "numbers"}, `${about.replace(/\(\)$/, "")}${words ? ` (${words})` : ""}: `, strong(number(at(values))), ".");
  });
}

// A small table of numbers, row by row. The shade is the size of a number; its sign is in the text as well.
function table(caption, values, columns, marked = -1) {
  const max = values.reduce((m, value) => Math.max(m, Math.abs(value ?? 0)), 0) || 1, rows = [];
  for (let i = 0; i < values.length; i += columns) {
    rows.push(element("tr", {}, ...values.slice(i, i + columns).map((value, j) => {
      const cell = element("td", {class: `${value < 0 ? "minus" : "plus"}${i + j === marked ? " marked" : ""}`}, value === null ? "–" : number(value, 2));
      cell.style.setProperty("--shade", Math.abs(value ?? 0) / max);
      return cell;
    })));
  }
  return element("table", {class: "patch-table"}, element("caption", {}, caption), element("tbody", {}, ...rows));
}
