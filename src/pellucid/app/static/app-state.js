// The state that several tabs use: the drawing on the pad, and the trained networks.
// Events: "drawing" (the drawing changed), "networks" (the list of networks changed), "selection" (`selected` changed).

import {UNREACHABLE, get} from "./api.js";

export const MAX_SELECTED = 8;                       // networks on the tab Draw; the server accepts a few more

class AppState extends EventTarget {
  strokes = [];                 // [[[x, y], …], …] in units of the pad, 0 to 1000
  canvas = [1000, 1000];        // width and height of the pad in these units
  normalization = "mass";
  networks = [];                // the networks as /api/networks describes them
  selected = [];                // the names of the networks that the tab Draw shows

  setStrokes(strokes) {
    this.strokes = strokes;
    this.dispatchEvent(new Event("drawing"));
  }

  setNormalization(name) {
    this.normalization = name;
    this.dispatchEvent(new Event("drawing"));
  }

  select(names) {
    this.selected = names;
    this.dispatchEvent(new Event("selection"));
  }

  network(name) { return this.networks.find((network) => network.name === name); }

  // The fields that describe the drawing in a request.
  get drawingFields() {
    return {strokes: this.strokes, normalization: this.normalization, canvas: this.canvas};
  }

  // Loads the list of networks. New networks become part of the selection.
  async refresh() {
    const known = new Set(this.networks.map((network) => network.name));
    this.networks = (await get("/api/networks")).networks;
    const names = this.networks.map((network) => network.name);
    const added = names.filter((name) => known.size && !known.has(name));
    this.selected = [...this.selected.filter((name) => names.includes(name)), ...added].slice(-MAX_SELECTED);
    if (!this.selected.length) this.selected = defaultSelection(this.networks);
    this.dispatchEvent(new Event("networks"));
    this.dispatchEvent(new Event("selection"));
  }
}

// One MLP and one convolutional network: of each kind the newest that was trained on drawings, otherwise the newest.
function defaultSelection(networks) {
  const best = (convolutional) => {
    const candidates = networks.filter((network) => network.convolutional === convolutional);
    return candidates.findLast((network) => network.classes.length > 10) || candidates.at(-1);
  };
  return [best(false), best(true)].filter(Boolean).map((network) => network.name);
}

export const appState = new AppState();

let timer;
export function notify(text) {                       // shows a line under the tabs for some seconds; "" removes it
  if (text === UNREACHABLE) return;                  // another line says so, as long as it lasts (main.js)
  document.getElementById("notice").textContent = text;
  clearTimeout(timer);
  if (text) timer = setTimeout(() => notify(""), 12000);
}
