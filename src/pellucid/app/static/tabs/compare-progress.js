// The progress of a comparison: how many images the networks have read, asked for while the results are computed, and a button that
// cancels it.

import {post} from "../api.js";
import {notify} from "../app-state.js";
import {element, thousands} from "../dom.js";

const DELAY = 300, PERIOD = 400;                      // milliseconds: stored results arrive earlier; between two questions

export function createProgress() {
  const bar = element("progress", {max: 1, "aria-label": "Images that the networks have read"}), text = element("p", {class: "quiet small numbers"});
  const cancel = element("button", {type: "button"}, "Cancel");
  const box = element("div", {class: "compare-progress", hidden: true}, bar, cancel, text);
  let current = 0;                                    // the number of the newest request

  // Calls request(ticket), shows its progress until it is answered, and returns the answer.
  async function follow(request) {
    const mine = ++current, ticket = `${Date.now()} ${Math.random()}`;
    let timer = setTimeout(ask, DELAY);
    cancel.disabled = false;
    cancel.onclick = () => {                          // the server then answers the request with {cancelled: true}
      cancel.disabled = true;
      post("/api/compare/cancel", {ticket}).catch((error) => { cancel.disabled = false; notify(error.message); });
    };
    async function ask() {
      try {
        const progress = await post("/api/compare/progress", {ticket});
        if (timer !== null && mine === current && progress.state !== "unknown") show(progress);
      } catch { /* the request itself reports what is wrong */ }
      if (timer !== null) timer = setTimeout(ask, PERIOD);
    }
    try {
      return await request(ticket);
    } finally {
      clearTimeout(timer);
      timer = null;
      if (mine === current) box.hidden = true;
    }
  }

  function show({state, data, network, done, of}) {
    box.hidden = false;
    if (state === "computing") bar.value = done / of; else bar.removeAttribute("value");
    text.textContent = {
      waiting: "waiting for another comparison …",
      loading: `${cancel.disabled ? "cancelled as soon as the images are loaded; " : ""}loading the images of ${data} …`,
      computing: `${thousands(done ?? 0)} of ${thousands(of ?? 0)} images; now ${network}`,
    }[state];
  }
  return {box, follow};
}
