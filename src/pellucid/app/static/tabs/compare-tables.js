// Runs on tables: several runs with the same data and target, by their scores, the importance of their columns and their figures.

import {get, latestOnly, post} from "../api.js";
import {element, percent, thousands} from "../dom.js";

const MAX_RUNS = 6;

// Returns {box, refresh}: the card, hidden where there are no such runs, and a function that looks for runs.
export function tableRuns() {
  let groups = [], group = null, selected = [];
  const choice = element("select", {"aria-label": "Data and target", onchange: () => pick(groups[choice.selectedIndex])});
  const boxes = element("div", {class: "compare-networks"});
  const status = element("p", {class: "quiet small", role: "status"});
  const results = element("div", {class: "stack"});
  const box = element("div", {class: "stack compare-tables", hidden: true},
    element("div", {class: "card"},
      element("h2", {}, "Runs on tables"),
      element("div", {class: "row"}, element("label", {}, "Predicting ", choice)),
      element("fieldset", {}, element("legend", {}, `Runs to compare (1 to ${MAX_RUNS})`), boxes), status),
    results);

  const isGroup = (one) => one.name === group?.name && one.digest === group.digest;

  function pick(chosen) {
    const kept = isGroup(chosen) ? selected.filter((name) => chosen.runs.includes(name)) : [];
    group = chosen;
    selected = kept.length ? kept : chosen.runs.slice(0, 2);
    boxes.replaceChildren(...chosen.runs.map((name) => element("label", {},
      element("input", {type: "checkbox", value: name, checked: selected.includes(name), onchange(event) {
        selected = event.target.checked ? [...selected, name] : selected.filter((one) => one !== name);
        limit();
        load();
      }}), element("span", {}, name))));
    limit();
    load();
  }

  function limit() {
    for (const input of boxes.querySelectorAll("input")) input.disabled = !input.checked && selected.length >= MAX_RUNS;
  }

  const load = latestOnly(async () => {
    results.replaceChildren();
    if (!selected.length) { status.textContent = `Choose 1 to ${MAX_RUNS} runs.`; return; }
    status.textContent = "measuring …";
    try {
      const answer = await post("/api/compare/tables/results", {runs: selected, target: group.target});
      status.textContent = `${thousands(answer.rows[0].rows)} rows of the test part: ${answer.group}`;
      results.replaceChildren(scoreCard(answer), importanceCard(answer), ...answer.rows.map(({name}) => figureCard(name, group.target)));
    } catch (error) {
      status.textContent = error.message;
    }
  });

  // The name of a group, with its newest run if another group has the same name: one of the same table with other columns.
  function label({name, runs}) {
    const unique = groups.filter((one) => one.name === name).length === 1;
    return unique ? name : `${name} (${runs[0]}${runs.length > 1 ? ", …" : ""})`;
  }

  async function refresh() {
    let found;
    try {
      found = (await get("/api/compare/tables")).groups;
    } catch {
      return;                                          // the line under the tabs says that the server does not answer
    }
    const same = JSON.stringify(found) === JSON.stringify(groups);
    groups = found;
    box.hidden = !groups.length;
    if (same || !groups.length) return;
    const kept = Math.max(0, groups.findIndex(isGroup));
    choice.replaceChildren(...groups.map((one, i) => element("option", {selected: i === kept}, label(one))));
    pick(groups[kept]);
  }

  return {box, refresh};
}

// A number with four digits.
const number = (value) => value == null ? "–" : Math.abs(value) >= 1000 ? thousands(Math.round(value)) : String(Number(value.toPrecision(4))).replace("-", "−");

function scoreCard({rows}) {
  const numbers = rows[0].classes === null;
  const columns = numbers ? [
    ["R²", (row) => number(row.r2)], ["RMSE", (row) => number(row.mse == null ? null : Math.sqrt(row.mse))], ["MAE", (row) => number(row.mae)],
    ["90 % interval", (row) => row.half_widths ? `± ${[...new Set(row.half_widths.map(number))].join(" to ")}` : "–"],
    ["contain the truth", (row) => row.coverage ? percent(row.coverage.fraction) : "–"],
    ["expected", (row) => row.coverage ? `${(100 * row.coverage.expected).toFixed(1)} ± ${percent(row.coverage.deviation)}` : "–"],
  ] : [
    ["accuracy", (row) => percent(row.accuracy, 2)], ["loss (nats)", (row) => number(row.loss)],
    ["ROC area", (row) => number(row.roc_auc)],
    ["calibration error", (row) => number(row.calibration_error)],
  ];
  columns.push(["training time", (row) => row.seconds ? `${row.seconds.toFixed(row.seconds < 10 ? 1 : 0)} s` : "–"]);
  return element("div", {class: "card compare-wide", tabindex: 0, role: "region", "aria-label": "Scores of the runs"},
    element("table", {},
      element("caption", {class: "visually-hidden"}, "Scores of the runs"),
      element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "run"), ...columns.map(([name]) => element("th", {scope: "col"}, name)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {},
        element("th", {scope: "row"}, row.name), ...columns.map(([, text]) => element("td", {}, text(row))))))));
}

// A row for each column of the table, a bar for each run; bars are on one scale.
function importanceCard({rows, columns}) {
  const most = Math.max(...rows.flatMap((row) => Object.values(row.importance).map(({mean}) => mean)), 1e-12);
  const score = {r2: "R²", log_loss: "log loss, in nats", accuracy: "accuracy"}[rows[0].metric] ?? rows[0].metric;
  const cell = (one) => {
    if (!one) return element("td", {}, "–");
    const bar = element("span", {class: one.clear ? "bar" : "bar unclear", "aria-hidden": "true"});
    bar.style.width = `${100 * Math.max(0, one.mean) / most}%`;
    return element("td", {}, element("span", {class: "numbers"}, `${number(one.mean)} ± ${number(one.spread)}`), bar);
  };
  return element("div", {class: "card compare-wide", tabindex: 0, role: "region", "aria-label": "Importance of the columns"},
    element("h2", {}, "Which columns the predictions depend on"),
    element("p", {class: "quiet small"}, `How much worse the predictions become (${score}) when a column is shuffled among the rows, with the `
      + "spread over ten shuffles. A grey bar is not clearly above 0."),
    element("table", {class: "compare-importance"},
      element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "column"), ...rows.map(({name}) => element("th", {scope: "col"}, name)))),
      element("tbody", {}, ...columns.map((column) => element("tr", {},
        element("th", {scope: "row"}, column), ...rows.map((row) => cell(row.importance[column])))))));
}

// The figures of a run, which are drawn when they are first opened.
function figureCard(run, target) {
  const figures = element("div", {class: "compare-figures"}), status = element("p", {class: "quiet small", role: "status"});
  let asked = false;
  const details = element("details", {ontoggle: async () => {
    if (!details.open || asked) return;
    asked = true;
    status.textContent = "drawing …";
    try {
      const answer = await post("/api/compare/tables/figures", {run, target});
      figures.replaceChildren(...answer.figures.map(({title, alt, source}) =>
        element("figure", {}, element("figcaption", {}, title), element("img", {src: source, alt}))));
      status.textContent = "";
    } catch (error) {
      status.textContent = error.message;
      asked = false;
    }
  }}, element("summary", {}, `Figures of ${run}`), status, figures);
  return element("div", {class: "card"}, details);
}
