// The page of a network that forecasts a series: a text box with the last rows, one in each line, and a table of the forecast.

import {createAnswers} from "./answers.js";
import {formatStart, readCell} from "./cells.js";
import {PAGE} from "./page.js";
import {showTextPage} from "./text-page.js";

const {columns, missing, rows} = PAGE.input;
const answers = createAnswers(PAGE.output);
const mayBeMissing = missing === "last";

// The values of the rows in the text, from the first to the last. Throws an error that names the line and the column.
function read(text) {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length !== rows) throw new Error(`The network reads ${rows} rows; there are ${lines.length}.`);
  const values = [];
  let last = null;
  lines.forEach((line, i) => {
    const cells = line.split(line.includes("\t") ? "\t" : line.includes(";") ? ";" : ",").map((cell) => cell.trim());
    if (cells.length !== columns.length) throw new Error(`Row ${i + 1} has ${cells.length} values, expected ${columns.length}: ${names}.`);
    const row = columns.map((column, j) => {
      const known = valuesOf(column, cells[j], `Row ${i + 1}: ${column.name}`);
      if (!Number.isNaN(known[0])) return known;
      if (last === null) throw new Error(`Row ${i + 1}: ${column.name} is missing, and there is no row before it.`);
      return last[j];                                // a missing value is the last known one
    });
    last = row;
    values.push(...row.flat());
  });
  return values;
}

function valuesOf(column, cell, where) {
  if (column.categories === null) return [readCell(cell, where, mayBeMissing)];
  if (cell === "" && mayBeMissing) return new Array(column.categories.length).fill(NaN);
  if (!column.categories.includes(cell)) throw new Error(`${where} is “${cell}”; the training data have ${column.categories.join(", ")}.`);
  return column.categories.map((category) => Number(category === cell));
}

const names = columns.map((column) => column.name).join(", ");
const start = columns.map((column) => (column.categories === null ? formatStart(column.start, column) : column.start)).join(", ");
showTextPage(answers, {
  id: "rows", heading: `The last ${rows} rows`, start: new Array(rows).fill(start).join("\n"), attributes: {rows: Math.min(20, rows + 1), wrap: "off"}, read,
  form: `One row in each line, in the order of time: ${names}. They may be pasted from a table. The start values are the means of the training data.`,
});
