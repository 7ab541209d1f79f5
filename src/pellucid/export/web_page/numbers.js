// The page of a network of real numbers, or of tokens: a text box with the numbers of one sample.

import {createAnswers} from "./answers.js";
import {PAGE} from "./page.js";
import {showTextPage} from "./text-page.js";

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

showTextPage(answers, {
  id: "sample", heading: "One sample", start: new Array(count).fill(0).join(", "), attributes: {rows: 6}, read,
  form: `${count} ${what}${shape.length > 1 ? `, ${shape.join(" × ")}, row by row` : ""}, separated by commas, spaces or lines.`,
});
