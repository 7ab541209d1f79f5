// The tabs of the page. A tab NAME has a script and a style sheet, tabs/NAME.js and tabs/NAME.css, which are loaded when the tab
// is first shown. The script exports mount(section), which fills the section and may return {onShow(), onHide()}.

import {connection} from "./api.js";
import {appState, notify} from "./app-state.js";
import {element} from "./dom.js";

const TABS = ["draw", "inside", "why", "playground", "text", "train", "compare"];
const KEYS = {ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity};   // on the buttons of the tabs
const OFFLINE = "The server does not answer: is pellucid draw still running? This page tries again every two seconds, and keeps your drawing.";
const mounted = {}, loading = {};
let current = null;

async function show(name) {
  if (name === current) return;
  mounted[current]?.onHide?.();
  current = name;
  for (const tab of TABS) {
    const button = document.getElementById(`tab-${tab}`), isCurrent = tab === name;
    button.setAttribute("aria-selected", isCurrent);
    button.tabIndex = isCurrent ? 0 : -1;
    document.getElementById(tab).hidden = !isCurrent;
  }
  if (!mounted[name]) {
    const section = document.getElementById(name);
    try {
      const {mount} = await load(name);
      mounted[name] ??= mount(section) || {};
    } catch (error) {
      section.textContent = "This tab could not be loaded.";
      connection.probe();
      throw error;
    }
  }
  if (current === name) mounted[name].onShow?.();
}

// Loads the script and the style sheet of a tab once.
const load = (name) => loading[name] ??= Promise.all([import(`./tabs/${name}.js`), loadStyle(`/static/tabs/${name}.css`)]).then(([script]) => script);

// Resolves when the style sheet is applied: a tab that is filled earlier would move while it is shown.
const loadStyle = (href) => new Promise((done) => {
  document.head.append(element("link", {rel: "stylesheet", href, onload: done, onerror: done}));
});

const requestedTab = () => TABS.find((tab) => tab === location.hash.slice(1).split("?")[0]) || "draw";

function go(name) {
  if (requestedTab() !== name) history.pushState(null, "", `#${name}`);
  show(name).catch((error) => notify(error.message));
}

for (const tab of TABS) {
  const button = document.getElementById(`tab-${tab}`);
  button.addEventListener("click", () => go(tab));
  button.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (!step) return;
    event.preventDefault();
    const next = Number.isFinite(step) ? TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length] : TABS.at(step > 0 ? -1 : 0);
    document.getElementById(`tab-${next}`).focus();
    go(next);
  });
}
window.addEventListener("hashchange", () => go(requestedTab()));
window.addEventListener("unhandledrejection", (event) => notify(String(event.reason?.message || event.reason)));

// A tab whose script could not be loaded is loaded with the page again: browsers keep a failed import.
connection.addEventListener("lost", () => { document.getElementById("offline").textContent = OFFLINE; });
connection.addEventListener("back", () => {
  document.getElementById("offline").textContent = "";
  if (!mounted[current]) { location.reload(); return; }
  appState.refresh().catch((error) => notify(error.message));
  mounted[current].onShow?.();
});

// The other tabs are loaded too, so that they can be shown if the server ends.
const loadOthers = async () => { for (const tab of TABS) await load(tab); };

show(requestedTab()).then(loadOthers).catch((error) => notify(error.message));
appState.refresh().catch((error) => notify(error.message));
