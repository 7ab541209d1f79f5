// The answer of the network: a verdict in one line, and a bar or a row for each output.

import {element, percent} from "./dom.js";

const SPEECH_DELAY = 700;                            // milliseconds without a new answer before a screen reader speaks it
const MANY = 12;                                     // more classes are listed by their probability, the first of them only

// A number with four digits, and with an exponent only if it is very large or small.
export function formatNumber(value) {
  if (!Number.isFinite(value)) return String(value);
  const exponent = value ? Math.floor(Math.log10(Math.abs(value))) : 0;
  if (exponent < -4 || exponent >= 9) return value.toExponential(3);
  const digits = Math.max(0, 3 - exponent);
  return value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});
}

// What the outputs mean: [{name, value, text, share}, …] in the order of the outputs, where share (0 to 1) is the length of a bar.
export function read(outputs, {kind, names, probabilities, single}) {
  let values = [...outputs];
  if (kind === "classes" && single) values = probabilities ? [1 - values[0], values[0]] : [-values[0], values[0]];
  const shares = kind === "labels" || probabilities ? values : sharesOf(values);
  return names.map((name, i) => ({
    name, value: values[i], share: shares[i],
    text: kind === "labels" || probabilities ? percent(values[i]) : formatNumber(values[i]),
  }));
}

// Of scores: the fraction of the range between the lowest and the highest.
function sharesOf(values) {
  const low = Math.min(...values), high = Math.max(...values);
  return values.map((value) => (high > low ? (value - low) / (high - low) : 0));
}

// The verdict: [large text, comment]. With the class `noDigit` for drawings that are no digit, if the network has it.
function verdictOf(entries, {kind, probabilities}, noDigit) {
  if (kind === "labels") {
    const chosen = entries.filter((one) => one.value >= 0.5);
    return [chosen.map((one) => one.name).join(", ") || "none", `${chosen.length} of ${entries.length} labels are at least 50 %`];
  }
  if (kind === "numbers") return entries.length === 1 ? [entries[0].text, entries[0].name] : [`${entries.length} numbers`, ""];
  const [first, second] = [...entries].sort((a, b) => b.value - a.value);
  if (!probabilities) return [first.name, `score ${first.text}; next: ${second.name}, ${second.text}`];
  if (noDigit && first.name === noDigit) return ["✗", `This does not look like a digit (${first.text}).`];
  if (first.value >= 0.95) return [first.name, first.text];
  return [first.name, `${first.text}${first.value < 0.7 ? ", uncertain" : ""}; otherwise ${second.name} ${second.text}`];
}

// Returns {verdict, box, show(outputs), clear(text)}: `verdict` is one line, `box` has a bar or a row for each output; it is null
// for a single number, which the verdict shows.
export function createAnswers(output, {noDigit = null} = {}) {
  const large = element("strong", {}), comment = element("span", {});
  const spoken = element("p", {class: "visually-hidden", role: "status", "aria-live": "polite"});
  const verdict = element("div", {class: "answer"}, element("p", {class: "verdict"}, large, comment), spoken);
  const many = output.kind !== "numbers" && output.names.length > MANY;
  const list = output.kind === "numbers" ? numberTable(output) : barList(many ? MANY : output.names.length);
  const box = output.kind === "numbers" && output.names.length === 1 && !output.rows ? null : list.box;
  let timer;

  function say(text) {                               // not with every movement of the pen
    clearTimeout(timer);
    timer = setTimeout(() => { spoken.textContent = text; }, SPEECH_DELAY);
  }

  function show(outputs) {
    if (output.rows) {
      large.textContent = "";
      comment.textContent = `The forecast for the next ${output.rows} rows`;
      list.showRows(outputs);
      return;
    }
    const entries = read(outputs, output);
    [large.textContent, comment.textContent] = verdictOf(entries, output, noDigit).map((text) => text.replaceAll(" %", "\u00a0%"));
    say(`${large.textContent} ${comment.textContent}`.replace("✗", ""));
    const best = output.kind === "classes" ? entries.reduce((a, b) => (b.value > a.value ? b : a)) : null;
    const shown = many ? [...entries].sort((a, b) => b.value - a.value).slice(0, MANY) : entries;
    list.show(shown, best);
  }

  function clear(text = "") {
    large.textContent = "";
    comment.textContent = text;
    say(text);
    list.clear(output.names);
  }

  clear();
  return {
    verdict, box, show, clear,
    // Both in a column of their own, beside a form. On a narrow screen the verdict stays in view below the form.
    get panel() {
      const heading = element("h2", {}, "What the network answers");
      return element("div", {class: "answers"},
        element("section", {class: "card latest"}, heading, verdict),
        box && element("section", {class: "card"}, box));
    },
  };
}

// A list with a bar and a number in each line.
function barList(lines) {
  const items = Array.from({length: lines}, () => {
    const name = element("span", {class: "name"}), fill = element("div", {class: "fill"}), value = element("span", {class: "value"});
    return {name, fill, value, item: element("li", {}, name, element("div", {class: "track", "aria-hidden": "true"}, fill), value)};
  });
  return {
    box: element("ul", {class: "bars", "aria-label": "The outputs of the network"}, ...items.map((one) => one.item)),
    show(entries, best) {
      items.forEach(({name, fill, value, item}, i) => {
        name.textContent = entries[i].name;
        value.textContent = entries[i].text;
        fill.style.transform = `scaleX(${Math.min(1, Math.max(0, entries[i].share))})`;
        item.className = entries[i] === best ? "first" : "";
      });
    },
    clear(names) {
      items.forEach(({name, fill, value, item}, i) => {
        name.textContent = names[i];
        value.textContent = "–";
        fill.style.transform = "scaleX(0)";
        item.className = "";
      });
    },
  };
}

// A table with the name and the value of each number; for a series with one row for each row ahead.
function numberTable({names, rows}) {
  const body = element("tbody", {});
  const heading = (text) => element("th", {scope: "col"}, text);
  const head = rows ? [heading("row"), ...names.map(heading)] : [heading("output"), heading("value")];
  const table = element("table", {class: "numeric"}, element("thead", {}, element("tr", {}, ...head)), body);
  const line = (name, texts) => element("tr", {}, element("th", {scope: "row"}, name), ...texts.map((text) => element("td", {}, text)));
  return {
    box: element("div", {class: "scrolling", tabindex: 0, role: "region", "aria-label": "The outputs of the network"}, table),
    show(entries) { body.replaceChildren(...entries.map((one) => line(one.name, [one.text]))); },
    showRows(outputs) {
      const texts = [...outputs].map(formatNumber), k = names.length;
      body.replaceChildren(...Array.from({length: rows}, (_, i) => line(`+${i + 1}`, texts.slice(k * i, k * i + k))));
    },
    clear() { body.replaceChildren(); },
  };
}
