// The tabs of the page. A tab NAME has a script and a style sheet, tabs/NAME.js and tabs/NAME.css, which are loaded when the tab
// is first shown. The script exports mount(section), which fills the section and may return {onShow(), onHide()}.

import {appState, notify} from "./app-state.js";
import {element} from "./dom.js";

const TABS = ["draw", "inside", "why", "playground", "train", "compare"];
const mounted = {};
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
    const [{mount}] = await Promise.all([import(`./tabs/${name}.js`), loadStyle(`/static/tabs/${name}.css`)]);
    mounted[name] ??= mount(document.getElementById(name)) || {};
  }
  if (current === name) mounted[name].onShow?.();
}

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
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length];
    document.getElementById(`tab-${next}`).focus();
    go(next);
  });
}
window.addEventListener("hashchange", () => go(requestedTab()));
window.addEventListener("unhandledrejection", (event) => notify(String(event.reason?.message || event.reason)));

show(requestedTab()).catch((error) => notify(error.message));
appState.refresh().catch((error) => notify(`The server does not answer: ${error.message}`));
