// Numbered notes on a line chart: buttons in a row between the legend and the plot, each above the place that it belongs to. Notes
// that would overlap share a button. The buttons are in the figure of the canvas, after it, so that the keyboard and screen readers
// reach them.
//
// A note is {x, number, text, onClick}: `text` is its accessible name and its tooltip.

import {element} from "./dom.js";

export const NOTES_ROOM = 34;                        // pixels between the legend and the plot
const SIZE = 24, CHARACTER = 8, GAP = 3;             // pixels: the height of a button and its least width; the width of a character

// Places the buttons of a chart. `px` is the place of a value of x, in pixels, `top` the top of the row.
export function placeNotes(canvas, notes, px, top) {
  const figure = canvas.parentElement, groups = grouped(notes, px, canvas.clientWidth);
  const buttons = new Map([...figure.querySelectorAll(".note")].map((one) => [one.dataset.first, one]));
  let last = canvas;
  for (const {members, centre, label, width} of groups) {
    const first = String(members[0].number);
    const button = buttons.get(first) || element("button", {type: "button", class: "note", "data-first": first});
    buttons.delete(first);
    if (button.textContent !== label) button.textContent = label;
    const text = members.map((note) => note.text).join("\n");
    if (button.title !== text) { button.title = text; button.setAttribute("aria-label", text); }
    button.onclick = members[0].onClick;
    Object.assign(button.style, {left: `${canvas.offsetLeft + centre - width / 2}px`, top: `${canvas.offsetTop + top}px`, width: `${width}px`});
    if (last.nextElementSibling !== button) last.after(button);
    last = button;
  }
  for (const button of buttons.values()) {           // their notes have been removed, or share the button of another one now
    const hadFocus = button === document.activeElement;
    button.remove();
    if (hadFocus && last !== canvas) last.focus({preventScroll: true});
  }
}

// The notes from left to right, in groups whose buttons do not overlap: {members, centre, label, width}.
function grouped(notes, px, room) {
  const groups = [];
  for (const note of [...notes].sort((a, b) => a.x - b.x)) {
    let group = placed([note], px, room);
    while (groups.length && group.centre - group.width / 2 < groups.at(-1).centre + groups.at(-1).width / 2 + GAP) {
      group = placed([...groups.pop().members, ...group.members], px, room);
    }
    groups.push(group);
  }
  return groups;
}

function placed(notes, px, room) {
  const members = [...notes].sort((a, b) => a.number - b.number), label = ranges(members.map(({number}) => number));
  const width = Math.max(SIZE, CHARACTER * label.length + 10), leftmost = Math.min(...members.map(({x}) => px(x)));
  return {members, label, width, centre: Math.min(Math.max(leftmost, width / 2), room - width / 2)};
}

// [1, 2, 3, 5, 6] as "1–3, 5, 6".
function ranges(numbers) {
  const parts = [];
  for (const number of numbers) {
    const part = parts.at(-1);
    if (part && number === part[1] + 1) part[1] = number; else parts.push([number, number]);
  }
  return parts.map(([first, last]) => first === last ? `${first}` : `${first}${last === first + 1 ? ", " : "–"}${last}`).join(", ");
}
