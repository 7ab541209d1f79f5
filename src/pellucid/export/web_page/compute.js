// The computation of an answer. The console of the browser can use it too: pellucid.predict(sample) returns the outputs, and
// pellucid.input and pellucid.outputs are the last sample and its outputs.

import {predict} from "./network.js";

export const pellucid = globalThis.pellucid = {predict, input: null, outputs: null};

export function compute(sample) {
  const outputs = predict(sample);
  Object.assign(pellucid, {input: sample, outputs});
  return outputs;
}
