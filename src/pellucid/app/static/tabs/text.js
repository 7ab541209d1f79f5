// The tab Text: type a text and see what a language model makes of it; let it write; switch parts of it off.

import {connection, get, latestOnly, post} from "../api.js";
import {notify} from "../app-state.js";
import {element, oncePerFrame, thousands} from "../dom.js";
import {attentionCard} from "./text-attention.js";
import {lensCard} from "./text-lens.js";
import {nextTokens} from "./text-next.js";

const MAX_TEXT = 20000, SENT = 4000;                  // characters: of the field, and of those at its end that are sent
const PACE = 30;                                      // milliseconds at least between two tokens that the network writes

export function mount(section) {
  const networks = element("select", {onchange: choose}), facts = element("p", {class: "quiet small", role: "status"});
  const field = element("textarea", {rows: 6, maxlength: MAX_TEXT, spellcheck: "false", autocapitalize: "off", autocomplete: "off", oninput: typed});
  const temperature = element("input", {type: "number", min: 0, max: 10, step: 0.1, value: 0.8});
  const topK = element("input", {type: "number", min: 0, max: 1000, step: 1, value: 0});
  const seed = element("input", {type: "number", min: 0, max: 2147483647, step: 1, value: 0});
  const write = element("button", {type: "button", class: "main", onclick: () => writing ? stop() : start()}, "Write");
  const status = element("p", {class: "small text-status", role: "status"});
  const allOn = element("button", {type: "button", hidden: true, onclick: switchAllOn}, "Switch all on");
  const next = nextTokens((text) => { stop(); setText(field.value + text); field.focus(); });
  const attention = attentionCard({
    head(layer, head) { chosen = {layer, head}; read(); },
    position(at) { position = at; attention.move(at); read(); },
    heads(off) { headsOff = off; read(); },
  });
  const lens = lensCard((off) => { blocksOff = off; read(); });
  section.append(element("div", {class: "text-columns"},
    element("div", {class: "stack"},
      element("div", {class: "card"},
        element("label", {class: "field"}, "Network", networks), facts,
        element("p", {class: "quiet small"}, "Networks trained on text are listed here; those that read digits are on the tab Draw. To train one: ",
          element("code", {}, "pellucid train my.txt --model gpt"), "."),
        element("label", {class: "field"}, "Text", field), status,
        element("div", {class: "tools text-tools"}, write,
          element("label", {class: "field", title: "Below 1, likely tokens become more likely; 0 always takes the most likely one"}, "Temperature", temperature),
          element("label", {class: "field", title: "Only the k most likely tokens may be drawn; 0: all"}, "Top k", topK),
          element("label", {class: "field", title: "The same seed writes the same text"}, "Seed", seed))),
      element("div", {class: "card"}, element("h2", {}, "What comes next"), next.change, allOn, next.box,
        element("p", {class: "try"}, element("strong", {}, "Try: "),
          "click a letter to append it. Then switch off one head after the other: which of them does the prediction need?"))),
    element("div", {class: "stack"}, attention.box, lens.box)));

  let listed = [], network = null;
  let chosen = {}, position = null, headsOff = [], blocksOff = [];
  let writing = false, started = 0;                   // started: the number of the newest start or end of writing
  let ending = "";                                    // why writing has ended by itself: shown until the text changes

  async function list() {
    listed = (await get("/api/text/networks")).networks;
    const before = networks.value;
    networks.replaceChildren(...listed.map(({name, of_package: ofPackage}) =>
      element("option", {value: name}, ofPackage ? `${name} (in the package)` : name)));
    if (!listed.length) {
      facts.textContent = "There is no language model yet: train one, then show this tab again.";
      section.dataset.answered = "none";
      return;
    }
    networks.value = listed.some(({name}) => name === before) ? before : listed[0].name;
    if (networks.value !== before || !network) choose(); else read();
  }

  function choose() {
    stop();
    const untouched = !network || field.value === network.prompt;
    network = listed.find(({name}) => name === networks.value);
    ending = "";
    chosen = {}; position = null; headsOff = []; blocksOff = [];
    attention.setLayers(network.attention);
    lens.setBlocks(network.blocks);
    if (untouched) field.value = network.prompt;
    const loss = network.loss === null ? "" : `, ${network.loss.toFixed(2)} nats a token on the ${network.evaluated_on} part`;
    facts.textContent = `${network.preset}, trained on ${network.data ?? "a text"}: ${thousands(network.parameters)} parameters, ${network.tokens} tokens, reads ${network.window} at once${loss}.`;
    read();
  }

  function typed() {
    stop();
    ending = "";
    position = null;
    read();
  }

  function setText(text) {
    field.value = text.slice(0, MAX_TEXT);
    field.scrollTop = field.scrollHeight;
    ending = "";
    position = null;
    read();
  }

  const request = () => ({
    network: network.name, text: field.value.slice(-SENT), ...chosen, ...(position !== null && {position}), heads_off: headsOff, blocks_off: blocksOff,
  });

  // Requests what the network computes, and shows it. With `draw`, also what it writes next, which is returned.
  async function ask(draw) {
    const asked = network, text = field.value, before = performance.now();
    const answer = await post("/api/text/read", {...request(), ...draw});
    if (asked !== network) return null;
    if (answer.unreadable) throw new Error(answer.unreadable);
    status.textContent = ending;
    section.classList.remove("text-outdated");
    next.show(answer);
    attention.show({...answer, position});            // it may have been chosen since
    lens.show(answer);
    allOn.hidden = !headsOff.length && !blocksOff.length;
    section.dataset.milliseconds = (performance.now() - before).toFixed(1);
    section.dataset.text = text;
    answered();
    return answer.drawn;
  }

  const answered = () => { section.dataset.answered = Number(section.dataset.answered ?? 0) + 1; };

  function failed(error) {
    stop();
    status.textContent = error.message;
    section.classList.add("text-outdated");
    answered();
  }

  const read = latestOnly(async () => {
    if (!network || writing) return;
    try { await ask(); } catch (error) { failed(error); }
  });

  async function start() {
    writing = true;
    write.textContent = "Stop";
    ending = "";
    position = null;
    const mine = ++started;
    while (writing && mine === started) {
      const from = performance.now();
      try {
        const drawn = await ask({seed: Number(seed.value), temperature: Number(temperature.value), top_k: Number(topK.value)});
        if (!writing || mine !== started || drawn === null) break;
        if (drawn.end || field.value.length >= MAX_TEXT) {
          ending = drawn.end ? "The network has ended the line." : "The text is as long as the field.";
          stop();
          break;
        }
        field.value += drawn.text;
        field.scrollTop = field.scrollHeight;
      } catch (error) {
        failed(error);
        break;
      }
      await new Promise((done) => setTimeout(done, Math.max(0, PACE - (performance.now() - from))));
    }
  }

  function stop() {
    if (!writing) return;
    writing = false;
    started++;
    write.textContent = "Write";
    read();                                           // what follows the last token that was written
  }

  function switchAllOn() {
    headsOff = []; blocksOff = [];
    attention.allOn();
    lens.allOn();
    read();
    networks.focus();
  }

  const show = oncePerFrame(() => list().catch((error) => notify(error.message)));
  connection.addEventListener("back", () => { if (!section.hidden) show(); });
  return {onShow: show, onHide: stop};
}
