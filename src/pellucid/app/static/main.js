// The tabs: each is a script that fills its section when it is first shown. mount(section) may return {shown(), hidden()}.

import {desk, notice} from "./desk.js";

const TABS = ["draw", "inside", "why", "playground", "train", "compare"];
const mounted = {};
let current = null;

async function show(name) {
  if (name === current) return;
  mounted[current]?.hidden?.();
  current = name;
  for (const tab of TABS) {
    const button = document.getElementById(`tab-${tab}`), chosen = tab === name;
    button.setAttribute("aria-selected", chosen);
    button.tabIndex = chosen ? 0 : -1;
    document.getElementById(tab).hidden = !chosen;
  }
  if (!mounted[name]) {
    const {mount} = await import(`./${name}.js`);
    mounted[name] ??= mount(document.getElementById(name)) || {};
  }
  if (current === name) mounted[name].shown?.();
}

const wanted = () => TABS.find((tab) => tab === location.hash.slice(1).split("?")[0]) || "draw";

function go(name) {
  if (wanted() !== name) history.pushState(null, "", `#${name}`);
  show(name).catch((error) => notice(error.message));
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
window.addEventListener("hashchange", () => go(wanted()));
window.addEventListener("unhandledrejection", (event) => notice(String(event.reason?.message || event.reason)));

show(wanted()).catch((error) => notice(error.message));
desk.refresh().catch((error) => notice(`the server does not answer: ${error.message}`));
