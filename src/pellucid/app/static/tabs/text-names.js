// How tokens are shown: invisible characters have signs on the page, and words where they are read aloud.

const SIGNS = {"\\n": "↵", "\\t": "⇥", "\\r": "␍"};
const WORDS = {"␣": "space", "\\n": "newline", "\\t": "tab", "\\r": "carriage return"};

export const sign = (name) => name.replace(/\\[ntr]/g, (one) => SIGNS[one]);
export const inWords = (name) => WORDS[name] ?? `“${sign(name)}”`;

// A probability in per cent, with a digit more where it is small.
export const chance = (p) => p >= 0.0995 ? `${(100 * p).toFixed(0)} %` : p >= 0.0005 ? `${(100 * p).toFixed(1)} %` : "0 %";
