// The page of a network of pictures: a place to drop files, and a card with the answer for each of them.

import {createAnswers} from "./answers.js";
import {compute} from "./compute.js";
import {element, paintPixels} from "./dom.js";
import {PAGE} from "./page.js";
import {fitted, opaque} from "./resizing.js";

const {width, height, channels} = PAGE.input;
const MAX_PIXELS = 89_478_485;                       // of a picture, as Pillow's limit
const MAX_SHOWN = 50;                                // cards on the page; older ones are removed

const results = element("div", {class: "pictures"}), status = element("p", {class: "quiet", role: "status"});
const chooser = element("input", {type: "file", accept: "image/*", multiple: true, class: "visually-hidden", onchange: () => { add(chooser.files); chooser.value = ""; }});
const drop = element("div", {class: "card drop"},
  element("p", {}, "Drop pictures here, or paste one"),
  element("button", {type: "button", onclick: () => chooser.click()}, "Choose pictures"), chooser,
  element("p", {class: "quiet"}, `They are resized to ${width} × ${height} pixels${channels === 1 ? ", in grey" : ""}, and stay on this device.`));
chooser.tabIndex = -1;
chooser.setAttribute("aria-hidden", "true");

// The pixels of a file, decoded by the browser. Throws an error for a file that is no picture.
async function decoded(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none"});
  } catch {
    throw new Error("this is not a picture that the browser can decode");
  }
  if (bitmap.width * bitmap.height > MAX_PIXELS) throw new Error(`the picture has more than ${MAX_PIXELS.toLocaleString("en")} pixels: make it smaller`);
  const canvas = element("canvas", {width: bitmap.width, height: bitmap.height});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

async function card(file) {
  const name = element("p", {class: "quiet"}, file.name || "pasted picture");
  try {
    const values = fitted(opaque(await decoded(file), channels), PAGE.input);
    const answers = createAnswers(PAGE.output), canvas = element("canvas", {class: "pixels", role: "img", "aria-label": "The picture that the network receives"});
    paintPixels(canvas, width, height, (i, data, at) => {
      for (let c = 0; c < 3; c++) data[at + c] = values[channels * i + (channels === 1 ? 0 : c)];
    });
    answers.show(compute(values));
    return element("article", {class: "card stack"}, name, canvas, answers.verdict, answers.box);
  } catch (error) {
    return element("article", {class: "card"}, name, element("p", {class: "problem"}, `Not read: ${error.message}.`));
  }
}

async function add(files) {
  const list = [...files];
  for (const [i, file] of list.entries()) {
    if (list.length > 1) status.textContent = `Picture ${i + 1} of ${list.length} …`;
    results.prepend(await card(file));
    while (results.children.length > MAX_SHOWN) results.lastChild.remove();
  }
  if (list.length > 1) status.textContent = `${list.length} pictures${list.length > MAX_SHOWN ? `, of which the last ${MAX_SHOWN} are shown` : ""}.`;
}

for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => add(event.clipboardData.files));
document.getElementById("page").append(element("div", {class: "stack"}, drop, status, results));
