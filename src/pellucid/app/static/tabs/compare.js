// The tab Compare: several networks on the same images. Every count opens the images that it counts.

import {latestOnly, post, unpackBytes} from "../api.js";
import {appState} from "../app-state.js";
import {element, paintGrey, percent, radioGroup, thousands} from "../dom.js";
import {createProgress} from "./compare-progress.js";
import {tableRuns} from "./compare-tables.js";

const MIN_NETWORKS = 2, MAX_NETWORKS = 6;

export function mount(section) {
  let selected = null, part = "test", dataset = null;   // what is compared; dataset null: that of the first network
  let outdated = true;                               // whether the selection has changed since the results were loaded
  const networks = element("div", {class: "compare-networks"});
  const status = element("p", {class: "compare-status quiet small", role: "status", tabindex: -1});
  const datasets = element("select", {"aria-label": "Data set", onchange: () => { dataset = datasets.value; update(); }});
  const datasetField = element("label", {hidden: true}, "of", datasets);
  const parts = radioGroup("Part of the data set", [
    ["test", "Test set", "Not used in training"],
    ["validation", "Validation set", "Not used to compute gradients, but possibly to choose settings"],
  ], part, (value) => { part = value; update(); });
  const again = element("button", {type: "button", hidden: true, onclick: () => { status.focus(); update(); }}, "Compare again");
  const results = element("div", {class: "stack"}), album = imageAlbum(), progress = createProgress(), tables = tableRuns();
  section.append(element("div", {class: "stack"},
    element("div", {class: "card"},
      element("fieldset", {}, element("legend", {}, `Networks to compare (${MIN_NETWORKS} to ${MAX_NETWORKS})`), networks),
      element("div", {class: "row"}, parts, datasetField), status, progress.box, again,
      element("p", {class: "try"}, element("strong", {}, "Try: "),
        "click a number outside the diagonal of a table, and see the images that this network misreads. Would you have read them?")),
    results, tables.box), album.box);

  function listNetworks() {
    const before = String(selected);
    selected = (selected?.length ? selected : appState.selected).filter((name) => appState.network(name)).slice(0, MAX_NETWORKS);
    networks.replaceChildren(...appState.networks.map((network) => element("label", {title: `${network.preset} on ${network.data}`},
      element("input", {
        type: "checkbox", value: network.name, checked: selected.includes(network.name),
        disabled: !selected.includes(network.name) && selected.length >= MAX_NETWORKS,
        onchange(event) {
          const others = selected.filter((name) => name !== network.name);
          selected = event.target.checked ? [...others, network.name] : others;
          for (const box of networks.querySelectorAll("input")) box.disabled = !box.checked && selected.length >= MAX_NETWORKS;
          dataset = null;
          update();
        },
      }), element("span", {}, network.name), element("span", {class: "quiet small"}, network.data || ""))));
    if (String(selected) !== before) update();
  }

  const load = latestOnly(async () => {
    const request = {networks: selected, part, ...(dataset === null ? {} : {data: dataset})};
    status.textContent = "comparing …";
    again.hidden = true;
    try {
      const answer = await progress.follow((ticket) => post("/api/compare/results", {...request, ticket}));
      if (answer.cancelled) {
        status.textContent = "Cancelled. Predictions of networks that had read all images are kept.";
        results.replaceChildren();
        again.hidden = false;
        return;
      }
      status.textContent = `${thousands(answer.data.n)} images: the ${answer.data.part} set of ${answer.data.name}`;
      datasets.replaceChildren(...answer.datasets.map((name) =>
        element("option", {value: name, selected: name === (request.data ?? answer.datasets[0])}, name)));
      datasetField.hidden = answer.datasets.length < 2;
      results.replaceChildren(...resultCards(answer, (cell, title) => album.open({...request, ...cell}, title, answer.classes)));
    } catch (error) {
      status.textContent = error.message;
      results.replaceChildren();
    }
  });

  function update() {
    outdated = section.hidden;
    if (outdated) return;
    if (selected.length >= MIN_NETWORKS) { load(); return; }
    results.replaceChildren();
    again.hidden = true;
    status.textContent = appState.networks.length < MIN_NETWORKS
      ? "A comparison needs at least two networks. Train more on the tab Train." : `Choose ${MIN_NETWORKS} to ${MAX_NETWORKS} networks.`;
  }

  appState.addEventListener("networks", listNetworks);
  listNetworks();
  return {onShow() { if (outdated) update(); tables.refresh(); }};
}

// open(cell, title) opens the images of a cell of a confusion matrix; of {}, those on which the networks disagree.
function resultCards(answer, open) {
  const {notes, pairs, networks, classes, disputed, data} = answer;
  const showDisputed = element("button", {
    type: "button", class: "main", disabled: !disputed, onclick: () => open({}, "Images on which the networks disagree, the hardest first"),
  }, "Show these images");
  const adjusted = pairs.length > 1 ? `; the p-values are adjusted for ${pairs.length} pairs` : "";
  return [
    ...(notes.length ? [element("ul", {class: "card compare-notes"}, ...notes.map((note) => element("li", {}, note)))] : []),
    element("div", {class: "card compare-table", tabindex: 0, role: "region", "aria-label": "Comparison of the networks"}, summaryTable(networks)),
    element("div", {class: "card"},
      element("h2", {}, "Is the difference significant?"),
      element("ul", {class: "compare-pairs"}, ...pairs.map((pair) => element("li", {}, pair.text))),
      element("p", {class: "quiet small"}, "McNemar's test on the images that only one of two networks classifies correctly"
        + `${adjusted}. It compares these trained networks: training with another seed gives another network.`),
      element("div", {class: "row"},
        element("span", {}, `All networks are wrong on ${thousands(answer.all_wrong)} of ${thousands(data.n)} images. They disagree on ${thousands(disputed)}.`),
        showDisputed)),
    element("div", {class: "compare-matrices"}, ...networks.map((network) => matrixCard(network, classes, open))),
  ];
}

// One row for each network; its accuracy is a point in its confidence interval, all on one scale.
function summaryTable(networks) {
  const low = Math.min(...networks.map((network) => network.interval[0])), high = Math.max(...networks.map((network) => network.interval[1]));
  const position = (accuracy) => 100 * (accuracy - low) / (high - low || 1);
  const best = Math.max(...networks.map((network) => network.accuracy));
  const head = ["network", "trained on", "accuracy", "95 % interval", "", "parameters", "multiply-adds", "training time"];
  return element("table", {},
    element("caption", {class: "visually-hidden"}, "Comparison of the networks"),
    element("thead", {}, element("tr", {}, ...head.map((name) => name ? element("th", {scope: "col"}, name) : element("td")))),
    element("tbody", {}, ...networks.map((network) => {
      const {name, data, accuracy, interval, parameters, multiply_adds: multiplyAdds, seconds} = network;
      const line = element("span", {class: "line"}), point = element("span", {class: "point"});
      line.style.left = `${position(interval[0])}%`;
      line.style.right = `${100 - position(interval[1])}%`;
      point.style.left = `${position(accuracy)}%`;
      return element("tr", {class: accuracy === best ? "best" : ""},
        element("th", {scope: "row"}, name), element("td", {}, data || "–"),
        element("td", {class: "accuracy"}, percent(accuracy, 2)),
        element("td", {}, `${(100 * interval[0]).toFixed(2)} – ${percent(interval[1], 2)}`),
        element("td", {class: "interval", "aria-hidden": "true"}, element("span", {}, line, point)),
        element("td", {}, thousands(parameters)), element("td", {}, thousands(multiplyAdds)),
        element("td", {}, seconds ? `${seconds.toFixed(seconds < 10 ? 1 : 0)} s` : "–"));
    })));
}

const shortName = (name) => name.length > 2 ? "∅" : name;   // "no digit" is too wide for a column

function matrixCard(network, classes, open) {
  const {name, accuracy, confusions} = network;
  const openCell = (truth, predicted, words) => open({network: name, true: truth, predicted}, `${name}: ${words}`);
  const legend = classes.some((one) => shortName(one) === "∅") ? " ∅: no digit." : "";
  const mistakes = confusions.map(({true: truth, predicted, count}) => element("button", {
    type: "button", class: "small", onclick: () => openCell(truth, predicted, `${classes[truth]} predicted as ${classes[predicted]}: ${count}`),
  }, `${classes[truth]} as ${classes[predicted]}: ${count}`));
  return element("div", {class: "card"},
    element("h2", {}, `${name} `, element("span", {class: "quiet small"}, `${percent(accuracy, 2)} correct`)),
    element("p", {class: "quiet small"}, `Rows: true class. Columns: predicted class.${legend}`),
    confusionMatrix(network, classes, openCell),
    element("p", {class: "small compare-mistakes"}, mistakes.length ? "Most frequent mistakes:" : "No mistakes."),
    element("div", {class: "row"}, ...mistakes));
}

// A confusion matrix of buttons; the arrow keys move from cell to cell.
function confusionMatrix({name, confusion}, classes, openCell) {
  const rows = confusion.map((counts, truth) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return element("tr", {}, element("th", {scope: "row", title: classes[truth]}, shortName(classes[truth])), ...counts.map((count, predicted) => {
      const correct = truth === predicted;
      if (!count) return element("td", {class: "none"}, correct ? "0" : "·");
      const words = correct ? `${classes[truth]}, correct: ${count}` : `${classes[truth]} predicted as ${classes[predicted]}: ${count}`;
      const button = element("button", {
        type: "button", tabindex: -1, "data-cell": `${truth} ${predicted}`, class: correct ? "right" : "wrong", "aria-label": words, title: words,
        onclick: () => openCell(truth, predicted, words),
      }, String(count));
      button.style.setProperty("--shade", correct ? count / total : Math.min(1, Math.sqrt(10 * count / total)));
      return element("td", {}, button);
    }));
  });
  const table = element("table", {class: "compare-matrix", "aria-label": `Confusion matrix of ${name}: rows are true classes, columns predicted classes`},
    element("thead", {}, element("tr", {}, element("td"), ...classes.map((one) => element("th", {scope: "col", title: one}, shortName(one))))),
    element("tbody", {}, ...rows));
  const first = table.querySelector("button");
  if (first) first.tabIndex = 0;
  table.addEventListener("keydown", (event) => {
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
    if (!step || !event.target.dataset.cell) return;
    event.preventDefault();
    let [row, column] = event.target.dataset.cell.split(" ").map(Number), next = null;
    while (!next && row >= 0 && column >= 0 && row < classes.length && column < classes.length) {
      row += step[0]; column += step[1];
      next = table.querySelector(`[data-cell="${row} ${column}"]`);
    }
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return table;
}

// A dialog with the images of one count, loaded page by page.
function imageAlbum() {
  const title = element("h2", {id: "compare-title"}), status = element("p", {class: "quiet small", role: "status"});
  const grid = element("div", {class: "compare-images"});
  const more = element("button", {type: "button"}, "Show more");
  const box = element("dialog", {class: "compare-album", "aria-labelledby": "compare-title"},
    element("div", {class: "head"}, title, element("button", {type: "button", onclick: () => box.close()}, "Close")), status, grid, more);
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });   // a click outside
  let current = 0;                                   // the number of the newest request: answers to older ones are ignored

  async function load(request, classes, first, mine) {
    more.disabled = true;
    try {
      const answer = await post("/api/compare/images", {...request, first});
      if (mine !== current) return;
      grid.append(...answer.images.map((image) => imageFigure(image, classes)));
      const shown = first + answer.images.length;
      const total = `${thousands(answer.count)} image${answer.count === 1 ? "" : "s"}`;
      status.textContent = shown < answer.count ? `${shown} of ${total}` : total;
      more.hidden = shown >= answer.count;
      more.disabled = false;
      more.onclick = () => load(request, classes, shown, mine);
    } catch (error) {
      if (mine === current) status.textContent = error.message;
    }
  }
  return {
    box,
    open(request, text, classes) {
      title.textContent = text;
      status.textContent = "loading …";
      grid.replaceChildren();
      more.hidden = true;
      box.showModal();
      load(request, classes, 0, ++current);
    },
  };
}

function imageFigure({image, true: truth, index, predictions}, classes) {
  const canvas = element("canvas", {class: "pixels", role: "img", "aria-label": `Image ${index}: ${classes[truth]}`});
  paintGrey(canvas, unpackBytes(image), 28, 28);
  return element("figure", {}, canvas, element("figcaption", {},
    element("strong", {}, `True class: ${classes[truth]}`),
    ...predictions.map(({network, label, probability}) => {
      const correct = label === truth;
      return element("span", {class: correct ? "right" : "wrong"},
        element("span", {class: "name", title: network}, network), element("span", {}, `${correct ? "✓" : "✗"} ${classes[label]}`),
        element("span", {class: "quiet numbers"}, `${(100 * probability).toFixed(0)} %`));
    })));
}
