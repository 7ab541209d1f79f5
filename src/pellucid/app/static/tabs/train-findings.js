// The tab Train: the findings of a training job, as a list and as notes on a chart. The findings are numbered in the order in which
// they arose.

import {element} from "../dom.js";

// Returns {summary, box, draw(job), notes(job)}. `summary` is one line, which screen readers announce; notes(job) are the notes
// for the chart: each shows its finding in the list.
export function findingsList() {
  let shown = null, count = 0;                       // the number of the job on the page, and of its findings
  const summary = element("p", {class: "train-found small", role: "status"});
  const list = element("ol", {class: "train-findings", "aria-label": "Findings"});
  const none = element("p", {class: "quiet small"}, "None so far. What the doctor finds in a training is listed here, with what to try.");
  const box = element("section", {class: "train-doctor", "aria-label": "What the training shows"}, element("h3", {}, "Findings"), none, list);

  function draw(job) {
    const findings = job?.findings || [];
    if (job?.job !== shown || findings.length < count) { list.replaceChildren(); count = 0; shown = job?.job; }
    for (const finding of findings.slice(count)) list.append(entry(finding, ++count));
    none.hidden = findings.length > 0;
    const text = findings.length ? inBrief(findings) : "";
    if (summary.textContent !== text) summary.textContent = text;
  }

  function show(number) {
    const item = list.children[number - 1];
    item.focus({preventScroll: true});
    item.scrollIntoView({block: "nearest"});
  }

  const notes = (job) => (job?.findings || []).map((finding, i) => ({
    x: finding.at, number: i + 1, text: `Finding ${i + 1}: ${name(finding)}`, onClick: () => show(i + 1),
  }));
  return {summary, box, draw, notes};
}

const name = ({kind, where, since}) => `${kind}, ${where}${since === null ? "" : `, since epoch ${since}`}`;

function inBrief(findings) {
  const last = findings.at(-1);
  return findings.length === 1 ? `1 finding: ${name(last)}` : `${findings.length} findings, the last one: ${name(last)}`;
}

function entry(finding, number) {
  const {kind, where, since, text, advice} = finding;
  return element("li", {tabindex: -1},
    element("span", {class: "note", "aria-hidden": "true"}, String(number)),
    element("div", {},
      element("p", {}, element("strong", {}, kind), ` ${where}`,
        since === null ? null : element("span", {class: "quiet small"}, ` since epoch ${since}`)),
      element("p", {class: "small train-measured"}, text),
      element("p", {class: "small train-advice"}, advice)));
}
