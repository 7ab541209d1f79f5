// The tab Playground: a small network learns to classify points in the plane, or heights above it, and the page shows every step. The session
// (playground-session.js) holds the state; controls and view show it. The address of the page contains all settings.

import {element} from "../dom.js";
import {createControls} from "./playground-controls.js";
import {createView} from "./playground-view.js";
import {PlaygroundSession} from "./playground-session.js";
import {toQuery} from "./playground-settings.js";

export function mount(section) {
  const session = new PlaygroundSession(queryOf(location.hash));
  const program = programDialog(session), controls = createControls(session, program.open), view = createView(session, controls);
  section.append(
    element("div", {class: "card playground-bar"},
      controls.buttons, element("div", {class: "row playground-counters"}, controls.pace, ...view.counters), view.status, view.idea),
    controls.fields, controls.data, view.network, view.plane,
    element("div", {class: "card playground-curves"},
      element("div", {}, view.scores, view.scoreChart), view.surface),
    program.dialog,
  );
  const address = followAddress(session);
  document.addEventListener("keydown", (event) => {
    const control = event.target.closest?.("button, input, select, textarea, dialog, a, [role=application], [role=tab]");
    if (section.hidden || event.key !== " " || control || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    controls.togglePlay();
  });
  session.start(session.view.step);
  return {
    onShow() { address.enable(); },
    onHide() { address.disable(); session.pause(); },
  };
}

const queryOf = (hash) => hash.split("?")[1] ?? "";

// Keeps the address of the page and the session equal while the tab is shown.
function followAddress(session) {
  let enabled = false, timer = null, written = location.hash;

  function write() {
    clearTimeout(timer);
    timer = null;
    if (!enabled) return;
    written = `#playground?${toQuery(session.settings, {...session.view, step: session.step})}`;
    if (location.hash !== written) history.replaceState(history.state, "", written);
  }
  // Browsers limit how often an address may change.
  const writeSoon = () => { if (!session.playing) timer ??= setTimeout(write, 200); };

  function read() {
    if (!location.hash.startsWith("#playground?") || location.hash === written) return;
    session.load(queryOf(location.hash));
  }
  for (const name of ["state", "view", "playing"]) session.addEventListener(name, writeSoon);
  window.addEventListener("hashchange", read);
  return {
    enable() { enabled = true; read(); write(); },
    disable() { enabled = false; },
  };
}

// The dialog with the Python program that trains the same network.
function programDialog(session) {
  const program = element("textarea", {readonly: true, rows: 22, spellcheck: "false", "aria-label": "Python program"});
  const status = element("span", {class: "small", role: "status"});
  const dialog = element("dialog", {class: "playground-program", "aria-label": "Copy as Python"},
    element("h2", {}, "The same in Python"),
    element("p", {class: "quiet small"}, "Run it where Pellucid is installed: it trains this network to the same values."), program,
    element("div", {class: "row"},
      element("button", {type: "button", class: "main", onclick: copy}, "Copy"),
      element("button", {type: "button", onclick: () => dialog.close()}, "Close"), status));

  async function open() {
    program.value = await session.program();
    status.textContent = "";
    dialog.showModal();
    program.scrollTop = 0;
  }

  async function copy() {
    program.select();
    try {
      await navigator.clipboard.writeText(program.value);
      status.textContent = "Copied.";
    } catch {                                        // not every browser allows it
      status.textContent = "Selected: copy it with Ctrl-C.";
    }
  }
  return {dialog, open};
}
