// The tab Train: the runs that were interrupted, each with a button that resumes it, and those that have diverged, which a button
// starts anew at a lower learning rate.

import {get, latestOnly, post} from "../api.js";
import {notify} from "../app-state.js";
import {element} from "../dom.js";
import {trainingJobs} from "./train-jobs.js";

const STATUS = {interrupted: "stopped", killed: "killed", failed: "failed"};
const TIME = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit"});

// Calls onResume(number) with the number of the job that resumes a run, or starts it anew.
export function interruptedRuns(onResume) {
  let states = "", shown = "";                       // of the jobs when the list was last loaded; the list on the page
  const interrupted = runList("Interrupted runs",
    "A resumed run ends with the network that it would have without the interruption, to the last bit.");
  const diverged = runList("Diverged runs",
    "Resumed, they would diverge again. The network of the last good checkpoint is kept: choose it on the tab Draw.");
  const box = element("div", {class: "stack", hidden: true}, interrupted.box, diverged.box);

  const load = latestOnly(async () => {
    const {runs} = await get("/api/train/interrupted"), text = JSON.stringify(runs);
    if (text === shown) return;                      // do not replace a button that the user may be about to click
    shown = text;
    interrupted.show(runs.filter((run) => run.status !== "diverged").map((run) => entry(run, `${STATUS[run.status]}${place(run)}`
      + (run.error === null ? "" : `: ${run.error}`), button(run, "Resume", `Resume ${run.name}`, "/api/train/resume"))));
    diverged.show(runs.filter((run) => run.status === "diverged").map((run) => entry(run, run.error.split("; ")[0],   // without the usual causes
      run.again === null ? null : button(run, `Try again at ${run.again}`, `Try again at ${run.again}: ${run.name}`, "/api/train/again"))));
    box.hidden = !runs.length;
  });

  function button({name}, text, label, path) {
    const made = element("button", {type: "button", "aria-label": label, onclick: () => start(name, path, made)}, text);
    return made;
  }

  async function start(name, path, button) {
    button.disabled = true;
    try {
      onResume((await post(path, {run: name})).job);
    } catch (error) {
      notify(error.message);
      shown = "";
    }
    refresh();
  }

  const refresh = () => load().catch((error) => notify(error.message));

  // The list changes when a job starts or ends, and while the page was hidden.
  trainingJobs.addEventListener("change", (event) => {
    const now = trainingJobs.list.map(({job, state}) => `${job} ${state}`).join();
    if (now === states && event.job !== undefined) return;
    states = now;
    refresh();
  });
  return {box, refresh};
}

function runList(title, about) {
  const list = element("ul", {class: "train-unfinished"});
  const box = element("section", {class: "card", "aria-label": title, hidden: true},
    element("h2", {}, title), list, element("p", {class: "quiet small"}, about));
  return {box, show(entries) { list.replaceChildren(...entries); box.hidden = !entries.length; }};
}

const place = ({epoch, epochs}) => epoch ? ` in epoch ${epoch}${epochs === null ? "" : ` of ${epochs}`}` : "";

function entry({name, model, data, updated}, state, button) {
  return element("li", {},
    element("div", {},
      element("p", {}, element("strong", {}, name), element("span", {class: "quiet small"}, ` ${model} on ${data}`)),
      element("p", {class: "small"}, state),
      element("p", {class: "quiet small"}, TIME.format(new Date(updated)))),
    button);
}
