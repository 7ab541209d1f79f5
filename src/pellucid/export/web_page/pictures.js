// The page of a network of pictures: a place to drop files, and a card with the answer for each of them.

import {createAnswers} from "./answers.js";
import {compute} from "./compute.js";
import {element, paintPixels} from "./dom.js";
import {PAGE} from "./page.js";
import {showPictureCards} from "./picture-cards.js";

const {width, height, channels} = PAGE.input;

showPictureCards(PAGE.input, (values) => {
  const answers = createAnswers(PAGE.output), canvas = element("canvas", {class: "pixels", role: "img", "aria-label": "The picture that the network receives"});
  paintPixels(canvas, width, height, (i, data, at) => {
    for (let c = 0; c < 3; c++) data[at + c] = values[channels * i + (channels === 1 ? 0 : c)];
  });
  answers.show(compute(values));
  return [canvas, answers.verdict, answers.box];
});
