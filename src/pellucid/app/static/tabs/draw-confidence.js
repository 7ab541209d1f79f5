// How sure a network is, in words. A softmax is often too sure: each word has an error rate that was measured on drawings of people
// whom the network had not seen (benchmarks/confidence.py), and comes with the network.

import {percent} from "../dom.js";

// For networks of which nothing was measured: thresholds that suit both networks of the package.
const USUAL = [{word: "almost certain", from: 0.99}, {word: "fairly certain", from: 0.9}, {word: "uncertain", from: 0}];

const rowOf = (confidence, measured) => (measured ?? USUAL).find((row) => confidence >= row.from);

export function confidenceText({is_digit: isDigit, confidence, second}, measured) {
  const {word} = rowOf(confidence, measured), start = `${word[0].toUpperCase()}${word.slice(1)}`;
  const other = second === "no digit" ? "not a digit" : `${second === "8" ? "an" : "a"} ${second}`;
  const value = shown(confidence);
  if (!isDigit) return word === "uncertain" ? `Uncertain, perhaps not a digit: ${value}; maybe ${other}.` : `${start} that this is not a digit: ${value}.`;
  if (word === "almost certain") return `${start}: ${value}.`;
  return word === "uncertain" ? `${start}: ${value}; maybe ${other}.` : `${start}: ${value}; otherwise ${other}.`;
}

// "On drawings of strangers, 1 of 240 such answers was wrong.", for the answers with the same word; "" if nothing was measured.
export function rateText(confidence, measured) {
  const row = measured && rowOf(confidence, measured);
  if (!row?.answers) return "";
  if (!row.wrong) return `On drawings of strangers, none of ${row.answers.toLocaleString("en")} such answers was wrong.`;
  const one = row.answers / row.wrong;
  const wrong = one >= 3 ? `1 of ${Math.round(one).toLocaleString("en")} such answers was` : `${percent(row.wrong / row.answers, 0)} of such answers were`;
  return `On drawings of strangers, ${wrong} wrong.`;
}

// No probability is shown as 100 %: none of them is.
const shown = (confidence) => confidence > 0.999 ? "over 99.9 %" : percent(confidence, confidence > 0.98 ? 1 : 0);
