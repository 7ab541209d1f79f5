// Ten stored drawings, one of each digit, for those who do not want to draw: a click puts one on the pad.

import {connection, get} from "./api.js";
import {notify} from "./app-state.js";
import {element} from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

// show(strokes) is called with the drawing that was clicked.
export function exampleDrawings(show) {
  const box = element("div", {class: "examples", role: "group", "aria-label": "Drawings to choose from"});
  const load = () => get("/api/draw/examples").then(({examples}) => {
    box.replaceChildren(...examples.map(({label, strokes}) => element("button", {
      type: "button", "aria-label": `Put a ${label} on the pad`, onclick: () => show(strokes.map((stroke) => [...stroke])),
    }, picture(strokes))));
  }).catch((error) => notify(error.message));
  load();
  connection.addEventListener("back", () => { if (!box.children.length) load(); });
  return box;
}

// A small picture of strokes in units of the pad.
export function picture(strokes) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "100 100 800 800");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", strokes.map((stroke) => `M${stroke.map((point) => point.join(" ")).join("L")}`).join(""));
  svg.append(path);
  return svg;
}
