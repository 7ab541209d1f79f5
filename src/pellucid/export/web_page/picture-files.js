// Picture files that are chosen, dropped on the page, or pasted.

import {element} from "./dom.js";

// A button that asks for files, and the hidden field that it needs. onFiles(files) receives a list.
export function pictureChooser(text, {multiple}, onFiles) {
  const field = element("input", {
    type: "file", accept: "image/*", multiple, class: "visually-hidden", tabindex: -1, "aria-hidden": "true",
    onchange: () => { onFiles([...field.files]); field.value = ""; },
  });
  return [element("button", {type: "button", onclick: () => field.click()}, text), field];
}

// Calls onFiles(files) with what is dropped anywhere on the page, or pasted. `place` is marked while files are over the page.
export function onPictures(place, onFiles) {
  const given = ({files}) => { if (files.length) onFiles([...files]); };
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => { event.preventDefault(); place.classList.add("over"); });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) place.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    given(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => given(event.clipboardData));
}
