// What may follow the text: a bar for each token, which is also the button that appends it.

import {element, percent} from "../dom.js";
import {chance, inWords, sign} from "./text-names.js";

// append(text) is called with the text of the token that was clicked.
export function nextTokens(append) {
  const list = element("div", {class: "text-bars", role: "group", "aria-label": "Probabilities of what comes next"});
  const rest = element("p", {class: "quiet small numbers"}), change = element("p", {class: "text-change numbers", role: "status", hidden: true});
  const legend = element("p", {class: "legend", hidden: true}, element("span", {}, element("i", {class: "minus"}), "as it is now"),
    element("span", {}, element("i", {class: "mark"}), "with all parts on"));
  const rows = [];

  function row(i) {
    while (rows.length <= i) {
      const name = element("span", {class: "text-token"}), fill = element("i"), mark = element("b"), value = element("span", {class: "numbers"});
      const button = element("button", {type: "button", onclick: () => append(button.appended)},
        name, element("span", {class: "track"}, fill, mark), value);
      rows.push({button, name, fill, mark, value});
      list.append(button);
    }
    return rows[i];
  }

  function show(answer) {
    answer.next.forEach((one, i) => {
      const {button, name, fill, mark, value} = row(i);
      button.hidden = false;
      button.appended = one.text;
      button.disabled = one.text === null;           // the end of a line, or a part of a character
      name.textContent = sign(one.name);
      fill.style.width = `${100 * one.p}%`;
      mark.hidden = one.whole === undefined;
      if (!mark.hidden) mark.style.left = `${100 * one.whole}%`;
      value.textContent = chance(one.p);
      const before = mark.hidden ? "" : `, ${percent(one.whole)} with all parts`;
      button.setAttribute("aria-label", `${one.text === null ? "" : "Append "}${inWords(one.name)}: ${percent(one.p)}${before}`);
    });
    for (const {button} of rows.slice(answer.next.length)) button.hidden = true;
    rest.textContent = answer.hidden ? `${answer.hidden} others: ${chance(answer.rest)} together` : "";
    change.hidden = legend.hidden = !answer.change;
    if (answer.change) change.textContent = changeText(answer.change);
  }
  return {box: element("div", {}, legend, list, rest), change, show};
}

function changeText({distance, best_before: before, best_now: now}) {
  const moved = `Without what is switched off, ${percent(distance)} of the probability moves elsewhere.`;
  const first = `The probability of ${inWords(before.name)} was ${percent(before.whole)}, and is ${percent(before.p)}.`;
  return before.name === now.name ? `${moved} ${first}` : `${moved} ${first} That of ${inWords(now.name)} was ${percent(now.whole)}, and is ${percent(now.p)}.`;
}
