// The page of a network of real numbers, or of tokens: a text box with the numbers of one sample.

import {createAnswers} from "./answers.js";
import {compute} from "./compute.js";
import {element, oncePerFrame} from "./dom.js";
import {PAGE} from "./page.js";

const {shape, entries} = PAGE.input;
const count = shape.reduce((product, length) => product * length, 1);
const answers = createAnswers(PAGE.output);
const what = entries === null ? "numbers" : `tokens, integers from 0 to ${entries - 1}`;

// The numbers in the text. Throws an error that says which one is wrong.
function read(text) {
  const words = text.trim().split(/[\s,;]+/).filter((word) => word !== "");
  const values = words.map((word, i) => {
    const value = Number(word.replace("−", "-"));
    if (!Number.isFinite(value)) throw new Error(`Number ${i + 1} is “${word}”, which is not a number.`);
    if (entries !== null && !(Number.isInteger(value) && value >= 0 && value < entries)) {
      throw new Error(`Token ${i + 1} is ${word}; tokens are integers from 0 to ${entries - 1}.`);
    }
    return value;
  });
  if (values.length !== count) throw new Error(`One sample is ${count} ${entries === null ? "numbers" : "tokens"}; there are ${values.length}.`);
  return values;
}

const box = element("textarea", {id: "sample", rows: 6, spellcheck: "false", autocomplete: "off", "aria-describedby": "form", oninput: () => update()});
box.value = new Array(count).fill(0).join(", ");

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
    element("h2", {}, element("label", {for: "sample"}, "One sample")),
    element("p", {class: "quiet", id: "form"}, `${count} ${what}${shape.length > 1 ? `, ${shape.join(" × ")}, row by row` : ""}, separated by commas, spaces or lines.`),
    box),
  answers.panel));
update();
