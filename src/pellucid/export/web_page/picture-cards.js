// A place to drop pictures, and a card for each of them.

import {element} from "./dom.js";
import {onPictures, pictureChooser} from "./picture-files.js";
import {decoded, opaque} from "./pixels.js";
import {fitted} from "./resizing.js";

const MAX_SHOWN = 50;                                // cards on the page; older ones are removed

// card(values) returns the elements of the card of a picture: `values` are its bytes (height, width, channels), the input of the
// network, which `input` describes.
export function showPictureCards(input, card) {
  const {width, height, channels} = input;
  const results = element("div", {class: "pictures"}), status = element("p", {class: "quiet", role: "status"});
  const chooser = pictureChooser("Choose pictures", {multiple: true}, add);
  const drop = element("div", {class: "card drop"},
    element("p", {}, "Drop pictures here, or paste one"), ...chooser,
    element("p", {class: "quiet"}, `They are resized to ${width} × ${height} pixels${channels === 1 ? ", in grey" : ""}, and stay on this device.`));

  async function article(file) {
    const name = element("p", {class: "quiet"}, file.name || "pasted picture");
    try {
      const values = fitted(opaque(await decoded(file), channels), input);
      return element("article", {class: "card stack"}, name, ...card(values).filter((one) => one !== null));
    } catch (error) {
      return element("article", {class: "card"}, name, element("p", {class: "problem"}, `Not read: ${error.message}.`));
    }
  }

  async function add(files) {
    for (const [i, file] of files.entries()) {
      if (files.length > 1) status.textContent = `Picture ${i + 1} of ${files.length} …`;
      results.prepend(await article(file));
      while (results.children.length > MAX_SHOWN) results.lastChild.remove();
    }
    if (files.length > 1) status.textContent = `${files.length} pictures${files.length > MAX_SHOWN ? `, of which the last ${MAX_SHOWN} are shown` : ""}.`;
  }

  onPictures(drop, add);
  document.getElementById("page").append(element("div", {class: "stack"}, drop, status, results));
}
