// What the tabs share: the drawing on the pad, the networks, and who wants to hear of a change.
// Events: "drawing" (strokes changed), "networks" (the list changed), "asked" (which of them are asked changed).

import {get} from "./api.js";

export const MOST = 8;                                       // networks that are asked at once; the server takes a few more

class Desk extends EventTarget {
  strokes = [];                 // [[[x, y], …], …] in units of the pad, 0 to 1000
  canvas = [1000, 1000];
  normalization = "mass";
  networks = [];                // as /api/networks describes them
  asked = [];                   // the names of those shown on the tab Draw

  draws(strokes) {
    this.strokes = strokes;
    this.dispatchEvent(new Event("drawing"));
  }

  normalizes(how) {
    this.normalization = how;
    this.dispatchEvent(new Event("drawing"));
  }

  asks(names) {
    this.asked = names;
    this.dispatchEvent(new Event("asked"));
  }

  // The request that every tab makes of the drawing.
  get drawing() {
    return {strokes: this.strokes, normalization: this.normalization, canvas: this.canvas};
  }

  async refresh() {
    const known = new Set(this.networks.map((one) => one.name));
    this.networks = (await get("/api/networks")).networks;
    const names = this.networks.map((one) => one.name);
    const fresh = names.filter((name) => known.size && !known.has(name));
    this.asked = [...this.asked.filter((name) => names.includes(name)), ...fresh].slice(-MOST);
    if (!this.asked.length) this.asked = pair(this.networks);
    this.dispatchEvent(new Event("networks"));
    this.dispatchEvent(new Event("asked"));
  }
}

// An MLP and a convolutional network to begin with: trained on drawings if there are such, the newest of them.
function pair(networks) {
  const best = (convolutional) => {
    const fit = networks.filter((one) => one.convolutional === convolutional);
    return fit.findLast((one) => one.classes.length > 10) || fit.at(-1);
  };
  return [best(false), best(true)].filter(Boolean).map((one) => one.name);
}

export const desk = new Desk();

let clear;
export function notice(text) {                       // a line under the tabs; "" takes it away
  document.getElementById("notice").textContent = text;
  clearTimeout(clear);
  if (text) clear = setTimeout(() => notice(""), 12000);
}
