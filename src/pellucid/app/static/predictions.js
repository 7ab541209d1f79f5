// The predictions of the selected networks for the drawing, and the image that they receive. They are requested with every change
// of the drawing, whichever tab shows the pad; without a network the server sends the image alone.
// Event: "change" (`latest` and `image` changed).

import {latestOnly, post, unpackBytes} from "./api.js";
import {appState, notify} from "./app-state.js";

class Predictions extends EventTarget {
  latest = [];                  // one for each network, as /api/predict describes them; [] without a drawing
  image = null;                 // 28 × 28 bytes; null without a drawing
}

export const predictions = new Predictions();

const load = latestOnly(async () => {
  const answer = appState.strokes.length ? await post("/api/predict", {...appState.drawingFields, networks: appState.selected}) : null;
  const kept = appState.strokes.length ? answer : null;   // null: cleared in the meantime
  predictions.latest = kept?.predictions ?? [];
  predictions.image = kept ? unpackBytes(kept.image) : null;
  predictions.dispatchEvent(new Event("change"));
});

const update = () => load().catch((error) => notify(error.message));
appState.addEventListener("drawing", update);
appState.addEventListener("selection", update);
