// The page of a network of a table: a form with a field for each column.

import {createAnswers} from "./answers.js";
import {formatStart, readCell} from "./cells.js";
import {compute} from "./compute.js";
import {element, oncePerFrame} from "./dom.js";
import {PAGE} from "./page.js";

const OTHER = "another value", MISSING = "missing";
const {columns, missing} = PAGE.input;
const answers = createAnswers(PAGE.output);
const mayBeMissing = missing;

// A field: {box, read()} where read returns the values of the column in a sample, or throws an error with what is wrong.
function createField(column, number) {
  const id = `column${number}`, isNumber = column.categories === null;
  const control = isNumber ? numberInput(column, id) : categorySelect(column, id);
  const hint = element("span", {class: "quiet", id: `${id}-hint`});
  const box = element("div", {class: "field"}, element("label", {for: id}, column.name), control, hint);
  const usual = isNumber ? `mostly ${formatStart(column.low, column)} to ${formatStart(column.high, column)}` : "";

  function reset() {
    control.value = isNumber ? formatStart(column.start, column) : `=${column.start}`;
  }

  function read() {
    hint.textContent = usual;
    control.removeAttribute("aria-invalid");
    if (!isNumber) {
      return categoryValues(column, control.value);
    }
    try {
      const value = readCell(control.value, column.name, mayBeMissing);
      return column.own ? [value, Number(Number.isNaN(value))] : [value];
    } catch (error) {
      control.setAttribute("aria-invalid", "true");
      hint.textContent = error.message;
      throw error;
    }
  }

  reset();
  return {box, read, reset};
}

// The values of a category in a sample: one-hot or a code, 0 for one that the network does not know.
function categoryValues({categories, coded, own}, chosen) {
  const isMissing = chosen === MISSING;
  if (coded) return [isMissing ? (own ? categories.length + 1 : 0) : categories.findIndex((one) => chosen === `=${one}`) + 1];
  if (isMissing && !own) return new Array(categories.length).fill(NaN);
  const values = categories.map((one) => Number(chosen === `=${one}`));
  return own ? [...values, Number(isMissing)] : values;
}

function numberInput(column, id) {
  return element("input", {
    type: "text", inputmode: "decimal", autocomplete: "off", id, "aria-describedby": `${id}-hint`, oninput: () => update(),
    placeholder: mayBeMissing ? MISSING : null,
  });
}

function categorySelect(column, id) {
  const options = column.categories.map((category) => element("option", {value: `=${category}`}, category));
  options.push(element("option", {value: OTHER}, `(${OTHER})`));                  // the network sees none of the categories
  if (mayBeMissing) options.push(element("option", {value: MISSING}, `(${MISSING})`));
  return element("select", {id, "aria-describedby": `${id}-hint`, onchange: () => update()}, ...options);
}

const update = oncePerFrame(() => {
  const row = [], problems = [];
  for (const field of fields) {
    try { row.push(...field.read()); } catch (error) { problems.push(error.message); }
  }
  if (problems.length) { answers.clear(problems.join(" ")); return; }
  try { answers.show(compute(Float64Array.from(row))); } catch (error) { answers.clear(error.message); }
});

const fields = columns.map(createField);
const reset = element("button", {type: "button", onclick: () => { for (const field of fields) field.reset(); update(); }}, "Start values");
document.getElementById("page").append(element("div", {class: "columns form-first"},
  element("section", {class: "card stack", "aria-labelledby": "values"},
    element("h2", {id: "values"}, "The values of one row"),
    element("p", {class: "quiet"}, mayBeMissing
      ? "The start values are in the middle of the training data. An empty field is a missing value."
      : "The start values are in the middle of the training data."),
    element("div", {class: "fields"}, ...fields.map((field) => field.box)),
    element("div", {class: "row"}, reset)),
  answers.panel));
update();
