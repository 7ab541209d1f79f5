// The tab Draw: what each network makes of the drawing while it is being drawn, and corrections.

import {newest, post, unpackBytes} from "./api.js";
import {MOST, desk, notice} from "./desk.js";
import {element, percent, thousands} from "./dom.js";
import {OVER, jobs, progress} from "./jobs.js";
import {padIn} from "./pad.js";

const NO_DIGIT = "no digit", LABELS = [..."0123456789", NO_DIGIT];

export function mount(section) {
  const left = element("div", {class: "left"});
  const guesses = element("div", {class: "guesses", "aria-live": "off"});
  const spoken = element("p", {class: "visually-hidden", role: "status", "aria-live": "polite"});
  const chosen = element("div", {class: "row"});
  const label = element("select", {"aria-label": "What the drawing was meant to be"}, ...LABELS.map((one) => element("option", {}, one)));
  const correct = element("button", {type: "button", disabled: true, onclick: keep}, "Keep the correction");
  const kept = element("span", {class: "quiet", role: "status"});
  const said = element("p", {role: "status"}), bar = element("progress", {max: 1, "aria-label": "Progress of the training"});
  const train = element("button", {type: "button", class: "main", onclick: trainPair}, "Train the drawing networks");
  const news = element("div", {class: "card news", hidden: true}, said, bar, train);
  section.append(left, element("div", {class: "stack"}, news, guesses, spoken,
    element("div", {class: "card"},
      element("h2", {}, "Read wrong?"),
      element("div", {class: "row"}, element("label", {}, "It was meant to be", label), correct, kept),
      element("p", {class: "quiet"}, "Corrections are kept on this machine as strokes: score networks with them, train on them, or ",
        element("a", {href: "/api/corrections", download: "corrections.json"}, "export them"), ".")),
    element("details", {class: "card"}, element("summary", {}, "Networks that are asked"), chosen)));
  const cards = new Map();
  let panel = null, last = null, speak;

  const ask = newest(async () => {
    if (!desk.strokes.length || !desk.asked.length) { for (const card of cards.values()) card.clear(); last = null; correct.disabled = true; return; }
    const answer = await post("/api/predict", {...desk.drawing, networks: desk.asked});
    if (!desk.strokes.length) return;
    panel?.sees(unpackBytes(answer.picture));
    last = answer;
    correct.disabled = false;
    for (const guess of answer.guesses) cards.get(guess.network)?.show(guess);
    section.dataset.answered = performance.now();       // tests measure the time from the pen to here
    clearTimeout(speak);
    speak = setTimeout(() => {
      spoken.textContent = answer.guesses.map((one) => `${one.network}: ${one.label}, ${percent(1 - one.doubt, 0)}`).join("; ");
    }, 700);
  });
  const update = () => ask().catch((error) => notice(error.message));

  function arrange() {
    cards.clear();
    guesses.replaceChildren(...desk.asked.map((name) => {
      const card = guessCard(desk.networks.find((one) => one.name === name));
      cards.set(name, card);
      return card.box;
    }));
    chosen.replaceChildren(...desk.networks.map((one) => element("label", {},
      element("input", {type: "checkbox", checked: desk.asked.includes(one.name), onchange: (event) => {
        desk.asks(event.target.checked ? [...desk.asked, one.name].slice(-MOST) : desk.asked.filter((name) => name !== one.name));
      }}), one.name)));
    update();
  }

  // Above the guesses: what is being trained, or that nothing here was trained on drawings.
  function tell() {
    const active = jobs.list.filter((job) => !OVER.includes(job.state)), failed = jobs.list.findLast((job) => job.state === "failed");
    const trained = desk.networks.some((one) => one.classes.includes(NO_DIGIT));
    news.hidden = !active.length && trained;
    bar.hidden = !active.length;
    train.hidden = active.length > 0 || trained;
    if (active.length) {
      const running = jobs.running ?? active[0], waiting = active.length > 1 ? `; then ${active.slice(1).map((job) => job.name).join(", ")}` : "";
      const first = desk.networks.length ? "" : "No network has been trained here yet. You can draw meanwhile. ";
      said.textContent = `${first}${progress(running)}${waiting}`;
      if (running.state === "training" && running.now) bar.value = running.now.done;
      else bar.removeAttribute("value");
    } else if (!trained) {
      said.textContent = failed && !desk.networks.length ? `${failed.name} could not be trained: ${failed.error}`
        : "These networks know MNIST alone: they read drawn digits less well, and call everything a digit. A pair trained on pen "
          + "strokes and on drawings that are no digits may take twenty minutes; you can draw meanwhile.";
    }
  }
  async function trainPair() {
    train.disabled = true;
    try { await post("/api/train/pair", {}); } catch (error) { notice(error.message); } finally { train.disabled = false; }
  }

  async function keep() {
    const {kept: count, folder} = await post("/api/correct",
      {strokes: desk.strokes, canvas: desk.canvas, label: label.value, said: last?.guesses[0]?.label ?? null});
    kept.textContent = `kept: ${count} in ${folder}`;
  }

  desk.addEventListener("drawing", () => { if (!section.hidden) { kept.textContent = ""; update(); } });
  desk.addEventListener("asked", arrange);
  desk.addEventListener("networks", tell);
  jobs.addEventListener("change", tell);
  arrange();
  return {
    shown() { panel = padIn(left); update(); },
  };
}

// One network's card: its verdict, how sure it is, and a bar for each class.
function guessCard(network) {
  const says = element("div", {class: "says numbers"}, "–"), why = element("div", {class: "why"}), time = element("span", {class: "quiet numbers"});
  const rows = network.classes.map((name) => {
    const fill = element("div", {class: "fill"}), share = element("span", {class: "share"}, "");
    return {name, fill, share, row: element("div", {}, element("span", {}, name), element("div", {class: "track"}, fill), share)};
  });
  const known = network.accuracy == null ? "" : `, ${percent(network.accuracy, 2)} on its ${network.scored_on} set`;
  const box = element("article", {class: "card guess", "data-network": network.name},
    element("div", {class: "name"}, element("h2", {}, network.name), time),
    element("div", {class: "quiet small"}, `${thousands(network.parameters)} parameters${known}`),
    element("div", {class: "verdict"}, says, why),
    element("div", {class: "bars"}, ...rows.map((one) => one.row)));
  function clear() {
    says.textContent = "–";
    says.title = why.textContent = time.textContent = "";
    for (const one of rows) { one.fill.style.transform = "scaleX(0)"; one.share.textContent = ""; one.row.className = ""; }
  }
  function show(guess) {
    says.textContent = guess.digit ? guess.label : "✗";
    why.textContent = words(guess);
    time.textContent = `${guess.milliseconds.toFixed(1)} ms`;
    rows.forEach((one, i) => {
      one.fill.style.transform = `scaleX(${guess.probabilities[i]})`;
      one.share.textContent = percent(guess.probabilities[i]);
      one.row.className = one.name === guess.label ? "first" : "";
    });
  }
  clear();
  return {box, show, clear};
}

function words(guess) {
  const sure = 1 - guess.doubt;
  if (!guess.digit) return `This does not look like a digit (${percent(sure, 0)}).`;
  if (sure >= 0.95) return `Sure: ${percent(sure)}.`;
  const other = guess.second === NO_DIGIT ? "no digit at all" : `a ${guess.second}`;
  return sure >= 0.7 ? `Fairly sure: ${percent(sure, 0)}; else ${other}.` : `In doubt: ${percent(sure, 0)}; maybe ${other}.`;
}
