// "Learn these now": the last layers of the two networks of the package learn all corrections, within a second; with the effect, and
// an undo.

import {post} from "../api.js";
import {appState, notify} from "../app-state.js";
import {element, percent} from "../dom.js";

export function learning() {
  const learn = element("button", {type: "button", onclick: () => run(learn, learnNow)}, "Learn these now");
  const undo = element("button", {type: "button", onclick: () => run(undo, unlearn)}, "Undo the learning");
  const status = element("p", {role: "status", class: "small"}), body = element("tbody");
  const effects = element("table", {class: "effects", hidden: true},
    element("thead", {}, element("tr", {}, ...["read correctly", "your corrections", "of other people"].map((text) => element("th", {scope: "col"}, text)))), body);
  const box = element("div", {class: "learning", hidden: true}, element("div", {class: "row"}, learn, undo), status, effects);
  let count = 0;

  async function run(button, action) {
    button.disabled = true;
    try {
      await action();
      await appState.refresh();
    } catch (error) { notify(error.message); } finally { button.disabled = false; }
  }

  async function learnNow() {
    status.textContent = "Learning …";
    try {
      const answer = await post("/api/draw/learn", {});
      const seconds = answer.effects.reduce((sum, one) => sum + one.seconds, 0);
      status.textContent = `Learned ${answer.count} correction${answer.count === 1 ? "" : "s"} in ${seconds.toFixed(1)} s, until the server ends. Nothing is written.`;
      body.replaceChildren(...answer.effects.map(row));
      effects.hidden = false;
    } catch (error) { status.textContent = ""; throw error; }
  }

  async function unlearn() {
    await post("/api/draw/unlearn", {});
    status.textContent = "The networks are as in the package again.";
    effects.hidden = true;
  }

  const change = ([before, after]) => element("td", {}, `${percent(before)} → `, element("strong", {}, percent(after)));
  const row = (one) => element("tr", {}, element("th", {scope: "row"}, one.network), change(one.corrections), change(one.others));

  function update() {
    const able = appState.networks.some((network) => network.learns), adapted = appState.networks.some((network) => network.adapted);
    box.hidden = !able || (!count && !adapted);
    learn.hidden = !count;
    undo.hidden = !adapted;
  }
  appState.addEventListener("networks", update);
  return {box, setCount(next) { count = next; update(); }};
}
