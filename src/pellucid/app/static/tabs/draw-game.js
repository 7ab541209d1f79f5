// The game: draw the digit that is asked for so that a person can read it and the networks cannot. Each network that misreads it gives
// a point. The misses may become corrections.

import {post} from "../api.js";
import {appState, notify} from "../app-state.js";
import {element} from "../dom.js";
import {picture} from "../examples.js";

const SECONDS = 20, TICK = 200;                      // TICK: milliseconds between two looks at the clock

// `pad()` returns the pad; onChange(isPlaying) is called at the beginning and at the end; onSaved() after corrections were saved.
export function drawingGame({pad, onChange, onSaved}) {
  const startButton = element("button", {type: "button", onclick: start}, "Play: beat both networks");
  const asked = element("strong", {class: "asked"}), clock = element("span", {class: "numbers"}), score = element("span", {class: "numbers", role: "status"});
  const next = element("button", {type: "button", class: "main", onclick: submit, title: "Enter on the pad"}, "Next");
  const end = element("button", {type: "button", onclick: finish, title: "Escape"}, "End");
  const bar = element("div", {class: "card game-bar", hidden: true}, element("span", {}, "Draw ", asked), clock, score, next, end);
  const clockless = element("input", {type: "checkbox"});
  const result = element("div", {class: "card game-result", tabindex: -1, hidden: true});
  let timer = null, deadline = 0, drawings = [], digit = null, playing = false, reading = null;

  function start() {
    playing = true;
    drawings = [];
    result.hidden = true;
    bar.hidden = false;
    deadline = clockless.checked ? Infinity : performance.now() + 1000 * SECONDS;
    timer = setInterval(tick, TICK);
    onChange(true);
    tick();
    showScore();
    ask();
    bar.scrollIntoView();
    pad().focus();
  }

  // Asks for a digit, never twice for the same one in succession.
  function ask() {
    digit = (digit === null ? Math.floor(10 * Math.random()) : digit + 1 + Math.floor(9 * Math.random())) % 10;
    asked.textContent = digit === 8 ? "an 8" : `a ${digit}`;
    pad().replace([]);
  }

  function tick() {
    const left = Math.ceil((deadline - performance.now()) / 1000);
    clock.textContent = Number.isFinite(left) ? `${Math.max(0, left)} s` : "no clock";
    if (left <= 0) finish();
  }

  // Lets the networks read the drawing, and asks for the next digit.
  function submit() {
    if (!playing || !appState.strokes.length) return;
    reading = read({label: String(digit), strokes: appState.strokes, canvas: appState.canvas}, reading);
    ask();
  }

  async function read(drawing, before) {
    try {
      const {predictions} = await post("/api/predict", {strokes: drawing.strokes, canvas: drawing.canvas, networks: appState.selected});
      await before;
      drawings.push({...drawing, read: predictions});
    } catch (error) { notify(error.message); }
    showScore();
  }

  const misses = (one) => one.read.filter(({label}) => label !== one.label);
  const points = () => drawings.reduce((sum, one) => sum + misses(one).length, 0);
  function showScore() { score.textContent = `${points()} point${points() === 1 ? "" : "s"}`; }

  async function finish() {
    if (!playing) return;
    playing = false;
    clearInterval(timer);
    if (appState.strokes.length) reading = read({label: String(digit), strokes: appState.strokes, canvas: appState.canvas}, reading);
    bar.hidden = true;
    onChange(false);
    pad().replace([]);
    await reading;
    showResult();
  }

  function showResult() {
    const missed = drawings.filter((one) => misses(one).length);
    const rows = missed.map((one) => {
      const box = element("input", {type: "checkbox", checked: true});
      const read = misses(one).map(({network, label}) => `${label} by ${network}`).join(", ");
      return {one, box, item: element("li", {}, element("label", {}, box, picture(one.strokes), element("span", {}, `your ${one.label}, read as ${read}`)))};
    });
    const save = element("button", {type: "button", class: "main"}, "Save the ticked ones as corrections");
    const status = element("span", {class: "quiet", role: "status"});
    save.addEventListener("click", async () => {
      save.disabled = true;
      try {
        let count = 0;
        for (const {one, box} of rows) {
          if (!box.checked) continue;
          await post("/api/draw/correct", {strokes: one.strokes, canvas: one.canvas, label: one.label, predicted: misses(one)[0].label});
          count += 1;
        }
        status.textContent = `Saved: ${count}.`;
      } catch (error) { save.disabled = false; notify(error.message); }
      onSaved();
    });
    result.replaceChildren(
      element("h2", {}, summary()),
      ...(rows.length ? [
        element("p", {}, "Untick what a person could not read either. Nothing is saved unless you say so."),
        element("ul", {class: "misses picture"}, ...rows.map((row) => row.item)),
        element("div", {class: "row"}, save, status)] : []),
      element("div", {class: "row"},
        element("button", {type: "button", onclick: start}, "Play again"),
        element("button", {type: "button", onclick: () => { result.hidden = true; startButton.focus(); }}, "Close")));
    result.hidden = false;
    result.focus();
  }

  // "You: 3 points. Misread: 1 of 7 by draw-cnn, 2 of 7 by draw-mlp."
  function summary() {
    if (!drawings.length) return "Nothing was drawn.";
    const names = drawings[0].read.map(({network}) => network);
    const each = names.map((name) => `${name} misread ${drawings.filter((one) => misses(one).some(({network}) => network === name)).length}`);
    const both = drawings.filter((one) => names.length > 1 && misses(one).length === names.length).length;
    return `${points()} point${points() === 1 ? "" : "s"}: of ${drawings.length} drawing${drawings.length === 1 ? "" : "s"}, ${each.join(", ")}${both ? `; ${both} beat ${names.length === 2 ? "both" : "all"}` : ""}.`;
  }

  document.addEventListener("keydown", (event) => {
    if (!playing) return;
    if (event.key === "Escape") finish();
    if (event.key === "Enter" && event.target.matches(".pad canvas")) submit();
  });
  return {
    bar, result, finish,
    controls: [startButton, element("label", {class: "small"}, clockless, `without the clock of ${SECONDS} seconds`)],
    setNetworks() { startButton.disabled = !appState.selected.length; },
  };
}
