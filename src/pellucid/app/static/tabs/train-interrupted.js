// The tab Train: the runs that were interrupted, each with a button that resumes it.

import {get, latestOnly, post} from "../api.js";
import {notify} from "../app-state.js";
import {element} from "../dom.js";
import {trainingJobs} from "./train-jobs.js";

const STATUS = {interrupted: "stopped", killed: "killed", failed: "failed"};
const TIME = new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit"});

// Calls onResume(number) with the number of the job that resumes a run.
export function interruptedRuns(onResume) {
  let states = "", shown = "";                       // of the jobs when the list was last loaded; the list on the page
  const list = element("ul", {class: "train-interrupted"});
  const box = element("section", {class: "card", "aria-label": "Interrupted runs", hidden: true},
    element("h2", {}, "Interrupted runs"), list,
    element("p", {class: "quiet small"}, "A resumed run ends with the network that it would have without the interruption, to the last bit."));

  const load = latestOnly(async () => {
    const {runs} = await get("/api/train/interrupted"), text = JSON.stringify(runs);
    if (text === shown) return;                      // do not replace a button that the user may be about to click
    shown = text;
    list.replaceChildren(...runs.map(entry));
    box.hidden = !runs.length;
  });

  function entry(run) {
    const {name, model, data, epoch, epochs, status, updated, error} = run;
    const button = element("button", {type: "button", "aria-label": `Resume ${name}`, onclick: () => resume(name, button)}, "Resume");
    const place = epoch ? ` in epoch ${epoch}${epochs === null ? "" : ` of ${epochs}`}` : "";
    return element("li", {},
      element("div", {},
        element("p", {}, element("strong", {}, name), element("span", {class: "quiet small"}, ` ${model} on ${data}`)),
        element("p", {class: "small"}, STATUS[status] + place, error === null ? null : `: ${error}`),
        element("p", {class: "quiet small"}, TIME.format(new Date(updated)))),
      button);
  }

  async function resume(name, button) {
    button.disabled = true;
    try {
      onResume((await post("/api/train/resume", {run: name})).job);
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
