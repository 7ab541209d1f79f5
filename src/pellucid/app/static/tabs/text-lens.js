// The guesses of a network after each of its residual blocks (logit lens), and the switches of the blocks.

import {element, percent} from "../dom.js";
import {chance, inWords, sign} from "./text-names.js";

// changed(off) is called with the paths of the blocks that are switched off.
export function lensCard(changed) {
  const title = element("p", {class: "quiet small"}), body = element("tbody"), last = element("th", {scope: "col", colspan: 2});
  const table = element("table", {class: "text-lens"},
    element("caption", {class: "visually-hidden"}, "What the network would predict if it ended after a block"),
    element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "after"), element("th", {scope: "col"}, "first guesses"), last)), body);
  const box = element("div", {class: "card"}, element("h2", {}, "Guesses on the way"), title, element("div", {class: "text-lens-box"}, table));
  let rows = [];                                      // {path, check, guesses, fill, value}

  function setBlocks(blocks) {
    box.hidden = !blocks.length;
    const entries = [{path: null, label: "reading"}, ...blocks];
    rows = entries.map(({path, label}) => {
      const check = path === null ? null : element("input", {
        type: "checkbox", checked: true, "aria-label": `Block ${label} is on`,
        onchange: () => changed(rows.filter((row) => row.check && !row.check.checked).map((row) => row.path)),
      });
      const guesses = element("td", {class: "guesses"}), fill = element("i"), value = element("td", {class: "numbers"});
      const row = element("tr", {}, element("th", {scope: "row"}, path === null ? label : element("label", {title: path}, check, label)),
        guesses, element("td", {class: "fill", "aria-hidden": "true"}, element("span", {class: "track"}, fill)), value);
      return {path, check, guesses, fill, value, row};
    });
    body.replaceChildren(...rows.map((row) => row.row));
  }

  function show({lens, tokens, position, answer}) {
    if (!lens.length) return;
    title.textContent = `What the network would expect after ${inWords(tokens[position].name)} at position ${position}, if it ended before or after each block.`;
    last.textContent = sign(answer);
    last.setAttribute("aria-label", `probability of ${inWords(answer)}, the guess at the end`);
    const skipped = rows.length - lens.length;        // streams of another width have no guesses
    rows.forEach((row, i) => {
      const found = lens[i - skipped];
      row.row.classList.toggle("off", row.check !== null && !row.check.checked);
      row.guesses.replaceChildren(...(found?.guesses ?? []).map(({name, p}) =>
        element("span", {class: "guess", title: `${inWords(name)}: ${percent(p)}`}, element("span", {class: "text-token"}, sign(name)), ` ${chance(p)}`)));
      row.fill.style.width = `${100 * (found?.p ?? 0)}%`;
      row.value.textContent = found ? chance(found.p) : "–";
    });
  }

  function allOn() {
    for (const row of rows) if (row.check) row.check.checked = true;
  }
  return {box, setBlocks, show, allOn};
}
