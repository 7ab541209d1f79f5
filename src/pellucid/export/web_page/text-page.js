// The page of a network whose samples are typed: a card with a text box, and the answer, or what is wrong with the text.

import {compute} from "./compute.js";
import {element, oncePerFrame} from "./dom.js";

// `start` is the text at first, `form` says how a sample is written, `attributes` are those of the text box. read(text) returns the
// values of the sample, or throws an error that says what is wrong.
export function showTextPage(answers, {id, heading, form, start, attributes, read}) {
  const box = element("textarea", {id, spellcheck: "false", autocomplete: "off", "aria-describedby": "form", oninput: () => update(), ...attributes});
  box.value = start;

  const update = oncePerFrame(() => {
    try {
      const values = read(box.value);
      box.removeAttribute("aria-invalid");
      answers.show(compute(Float64Array.from(values)));
    } catch (error) {
      box.setAttribute("aria-invalid", "true");
      answers.clear(error.message);
    }
  });

  document.getElementById("page").append(element("div", {class: "columns form-first"},
    element("section", {class: "card stack"},
      element("h2", {}, element("label", {for: id}, heading)),
      element("p", {class: "quiet", id: "form"}, form),
      box),
    answers.panel));
  update();
}
