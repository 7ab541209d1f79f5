// The tab Compare: networks beside each other on the same pictures. Every count opens the pictures that it counts.

import {newest, post, unpackBytes} from "./api.js";
import {desk} from "./desk.js";
import {choice, element, paintGrey, percent, thousands} from "./dom.js";

const FEWEST = 2, MOST = 6;

export function mount(section) {
  let chosen = null, part = "test", data = null, dirty = true;
  const networks = element("div", {class: "compare-networks"});
  const state = element("p", {class: "compare-state quiet small", role: "status"});
  const where = element("select", {"aria-label": "The data they are compared on", onchange: () => { data = where.value; ask(); }});
  const beside = element("label", {hidden: true}, "on", where);
  const parts = choice("Part of the data", [
    ["test", "Test pictures", "Never seen in training"],
    ["validation", "Validation pictures", "Not learned from, but settings may have been chosen on them"],
  ], part, (value) => { part = value; ask(); });
  const found = element("div", {class: "stack"}), album = pictures();
  const whole = element("div", {class: "stack"},
    element("div", {class: "card"},
      element("fieldset", {}, element("legend", {}, `Networks to compare, ${FEWEST} to ${MOST}`), networks),
      element("div", {class: "row"}, parts, beside), state),
    found);
  // Shown when its looks are there: nothing jumps.
  document.head.append(element("link", {rel: "stylesheet", href: "/static/compare.css", onload: () => section.append(whole, album.box)}));

  const request = () => ({networks: chosen, part, ...(data === null ? {} : {data})});

  function list() {
    const names = desk.networks.map((one) => one.name);
    const before = String(chosen);
    chosen = (chosen?.length ? chosen : desk.asked).filter((name) => names.includes(name)).slice(0, MOST);
    networks.replaceChildren(...desk.networks.map((one) => element("label", {title: `${one.preset} on ${one.data}`},
      element("input", {
        type: "checkbox", value: one.name, checked: chosen.includes(one.name), disabled: !chosen.includes(one.name) && chosen.length >= MOST,
        onchange(event) {
          chosen = event.target.checked ? [...chosen, one.name] : chosen.filter((name) => name !== one.name);
          for (const box of networks.querySelectorAll("input")) box.disabled = !box.checked && chosen.length >= MOST;
          data = null;
          ask();
        },
      }), element("span", {}, one.name), element("span", {class: "quiet small"}, one.data || ""))));
    if (String(chosen) !== before) ask();            // else what is looked at stays as it is
  }

  const send = newest(async () => {
    const asked = request();
    state.textContent = "asking the networks …";
    try {
      const answer = await post("/api/compare", asked);
      state.textContent = `${thousands(answer.data.n)} pictures: the ${answer.data.part} set of ${answer.data.name}`;
      where.replaceChildren(...answer.origins.map((name) => element("option", {value: name, selected: name === (asked.data ?? answer.origins[0])}, name)));
      beside.hidden = answer.origins.length < 2;
      show(answer, asked);
    } catch (error) {
      state.textContent = error.message;
      found.replaceChildren();
    }
  });

  function ask() {
    dirty = section.hidden;
    if (dirty) return;
    if (chosen.length >= FEWEST) { send(); return; }
    found.replaceChildren();
    state.textContent = desk.networks.length < FEWEST
      ? "There are not two networks yet: train another one on the tab Train." : `Choose ${FEWEST} to ${MOST} networks.`;
  }

  function show(answer, asked) {
    const open = (cell, title) => album.open(asked, cell, title, answer.classes);
    const disputed = element("button", {
      type: "button", class: "main", disabled: !answer.disputed,
      onclick: () => open({}, "Where the networks disagree, the hardest first"),
    }, "Look at them");
    found.replaceChildren(...[
      answer.notes.length ? element("ul", {class: "card compare-notes"}, ...answer.notes.map((note) => element("li", {}, note))) : null,
      element("div", {class: "card compare-table"}, summary(answer)),
      element("div", {class: "card"},
        element("h2", {}, "Can the difference be chance?"),
        element("ul", {class: "compare-pairs"}, ...answer.pairs.map((pair) => element("li", {}, pair.text))),
        element("p", {class: "quiet small"}, "McNemar's test, over the pictures that only one of two networks gets right"
          + `${answer.pairs.length > 1 ? `; p-values are adjusted for ${answer.pairs.length} pairs` : ""}. It is about these trained networks: another seed gives another network.`),
        element("div", {class: "row"},
          element("span", {}, `They disagree on ${thousands(answer.disputed)} of ${thousands(answer.data.n)} pictures; all are wrong on ${thousands(answer.all_wrong)}.`), disputed)),
      element("div", {class: "compare-matrices"}, ...answer.networks.map((one) => matrix(one, answer, open))),
    ].filter(Boolean));
  }

  desk.addEventListener("networks", list);
  list();
  return {shown() { if (dirty) ask(); }};
}

// One line a network, and its accuracy as a point in its interval, all on one scale.
function summary({networks}) {
  const low = Math.min(...networks.map((one) => one.interval[0])), high = Math.max(...networks.map((one) => one.interval[1]));
  const at = (share) => `${100 * (share - low) / (high - low || 1)}%`;
  const best = Math.max(...networks.map((one) => one.accuracy));
  const head = ["network", "learned from", "accuracy", "95 % interval", "", "parameters", "multiply-adds", "trained in"];
  return element("table", {},
    element("caption", {class: "visually-hidden"}, "The networks beside each other"),
    element("thead", {}, element("tr", {}, ...head.map((name) => name ? element("th", {scope: "col"}, name) : element("td")))),
    element("tbody", {}, ...networks.map((one) => {
      const line = element("span", {class: "line"}), point = element("span", {class: "point"});
      line.style.left = at(one.interval[0]);
      line.style.right = `${100 - parseFloat(at(one.interval[1]))}%`;
      point.style.left = at(one.accuracy);
      return element("tr", {class: one.accuracy === best ? "best" : ""},
        element("th", {scope: "row"}, one.name), element("td", {}, one.data || "–"),
        element("td", {class: "accuracy"}, percent(one.accuracy, 2)),
        element("td", {}, `${(100 * one.interval[0]).toFixed(2)} – ${percent(one.interval[1], 2)}`),
        element("td", {class: "interval", "aria-hidden": "true"}, element("span", {}, line, point)),
        element("td", {}, thousands(one.parameters)), element("td", {}, thousands(one.multiply_adds)),
        element("td", {}, one.seconds ? `${one.seconds.toFixed(one.seconds < 10 ? 1 : 0)} s` : "–"));
    })));
}

const sign = (name) => name.length > 2 ? "∅" : name;      // "no digit" has no room in a column

// A confusion matrix of buttons; the arrow keys go from cell to cell.
function matrix(network, {classes}, open) {
  const rows = network.confusion.map((counts, truth) => {
    const all = counts.reduce((sum, count) => sum + count, 0);
    return element("tr", {}, element("th", {scope: "row", title: classes[truth]}, sign(classes[truth])), ...counts.map((count, said) => {
      if (!count) return element("td", {class: "none"}, truth === said ? "0" : "·");
      const words = truth === said ? `${classes[truth]}, and taken for that: ${count}` : `${classes[truth]} taken for ${classes[said]}: ${count}`;
      const button = element("button", {
        type: "button", tabindex: -1, "data-at": `${truth} ${said}`, class: truth === said ? "right" : "wrong", "aria-label": words, title: words,
        onclick: () => open({network: network.name, true: truth, said}, `${network.name}: ${words}`),
      }, String(count));
      button.style.setProperty("--share", truth === said ? count / all : Math.min(1, Math.sqrt(10 * count / all)));
      return element("td", {}, button);
    }));
  });
  const table = element("table", {class: "compare-matrix", "aria-label": `Confusion matrix of ${network.name}: rows are the true classes, columns what it said`},
    element("thead", {}, element("tr", {}, element("td"), ...classes.map((name) => element("th", {scope: "col", title: name}, sign(name))))),
    element("tbody", {}, ...rows));
  const first = table.querySelector("button");
  if (first) first.tabIndex = 0;
  table.addEventListener("keydown", (event) => {
    const move = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
    if (!move || !event.target.dataset.at) return;
    event.preventDefault();
    let [row, column] = event.target.dataset.at.split(" ").map(Number), next = null;
    while (!next && row >= 0 && column >= 0 && row < classes.length && column < classes.length) {
      row += move[0]; column += move[1];
      next = table.querySelector(`[data-at="${row} ${column}"]`);
    }
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  const mistakes = network.confusions.map(({true: truth, said, count}) => element("button", {
    type: "button", class: "small",
    onclick: () => open({network: network.name, true: truth, said}, `${network.name}: ${classes[truth]} taken for ${classes[said]}: ${count}`),
  }, `${classes[truth]} for ${classes[said]}: ${count}`));
  return element("div", {class: "card"},
    element("h2", {}, `${network.name} `, element("span", {class: "quiet small"}, `${percent(network.accuracy, 2)} right`)),
    element("p", {class: "quiet small"}, `Row: what it is. Column: what the network says.${classes.some((name) => sign(name) === "∅") ? " ∅: no digit." : ""}`),
    table,
    element("p", {class: "small compare-often"}, mistakes.length ? "Most often it takes " : "It makes no mistake."),
    element("div", {class: "row"}, ...mistakes));
}

// The pictures behind a number, in a window of their own.
function pictures() {
  const title = element("h2", {id: "compare-title"}), state = element("p", {class: "quiet small", role: "status"});
  const grid = element("div", {class: "compare-pictures"});
  const more = element("button", {type: "button"}, "Show more");
  const box = element("dialog", {class: "compare-album", "aria-labelledby": "compare-title"},
    element("div", {class: "head"}, title, element("button", {type: "button", onclick: () => box.close()}, "Close")), state, grid, more);
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  let latest = 0;

  async function load(request, classes, first, turn) {
    more.disabled = true;
    try {
      const answer = await post("/api/compare/pictures", {...request, first});
      if (turn !== latest) return;
      grid.append(...answer.pictures.map((one) => picture(one, classes)));
      const shown = first + answer.pictures.length;
      state.textContent = shown < answer.count ? `${shown} of ${thousands(answer.count)} pictures` : `${thousands(answer.count)} pictures`;
      more.hidden = shown >= answer.count;
      more.disabled = false;
      more.onclick = () => load(request, classes, shown, turn);
    } catch (error) {
      if (turn === latest) state.textContent = error.message;
    }
  }
  return {
    box,
    open(request, cell, words, classes) {
      title.textContent = words;
      state.textContent = "looking …";
      grid.replaceChildren();
      more.hidden = true;
      box.showModal();
      load({...request, ...cell}, classes, 0, ++latest);
    },
  };
}

function picture({picture: pixels, true: truth, number, said}, classes) {
  const canvas = element("canvas", {class: "pixels", role: "img", "aria-label": `Picture ${number}: ${classes[truth]}`});
  paintGrey(canvas, unpackBytes(pixels), 28, 28);
  return element("figure", {}, canvas, element("figcaption", {},
    element("strong", {}, `It is ${classes[truth]}`),
    ...said.map(({network, label, probability}) => {
      const right = label === truth;
      return element("span", {class: right ? "right" : "wrong"},
        element("span", {class: "name", title: network}, network), element("span", {}, `${right ? "✓" : "✗"} ${classes[label]}`),
        element("span", {class: "quiet numbers"}, `${(100 * probability).toFixed(0)} %`));
    })));
}
