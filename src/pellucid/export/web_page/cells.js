// The cells of a table as text: numbers with a decimal point or comma, and missing values.

const MISSING = [
  "", "na", "n/a", "nan", "null", "?", "<na>", "#n/a", "#div/0!", "#name?", "#null!", "#num!", "#ref!", "#value!",
];

// The number in a cell, NaN for a missing one. Throws an error that names the column.
export function readCell(text, name, mayBeMissing) {
  const cell = text.trim();
  if (MISSING.includes(cell.toLowerCase())) {
    if (mayBeMissing) return NaN;
    throw new Error(`${name} is missing.`);
  }
  const value = Number(cell.replace("−", "-").replace(/^([^.,]*),([^.,]*)$/, "$1.$2"));
  if (!Number.isFinite(value) || /^[+-]?0[xob]/i.test(cell)) throw new Error(`${name} must be a number, got “${cell}”.`);
  return value;
}

// A start value with the digits that it was rounded to.
export function formatStart(value, {digits}) {
  return Math.abs(value) >= 1e15 ? String(value) : value.toFixed(digits);
}
