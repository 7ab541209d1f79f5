// Lecture mode: the pad and the predictions of the tab Draw alone, as large as the screen. Its address is #draw?lecture; the Escape
// key leaves it.

import {element} from "../dom.js";

const ADDRESS = "#draw?lecture";

// onChange() is called after the mode has been entered or left.
export function lectureMode(section, onChange) {
  const button = element("button", {type: "button", onclick: enter, title: "Large pad and large bars, for a projector; Escape leaves it"}, "Lecture mode");
  const leaveButton = element("button", {type: "button", class: "leave-lecture", onclick: leave}, "Leave (Esc)");
  const isRequested = () => location.hash === ADDRESS;
  let isFullScreen = false;   // and not being left

  function enter() {
    location.hash = ADDRESS;
    document.documentElement.requestFullscreen?.().catch(() => {});   // without it, the mode fills the window
  }

  function leave() {
    isFullScreen = false;
    if (document.fullscreenElement) document.exitFullscreen();
    history.replaceState(null, "", "#draw");
    update();
    button.focus();
  }

  function update() {
    const is = isRequested() && !section.hidden, was = document.body.classList.contains("lecture");
    document.body.classList.toggle("lecture", is);
    if (is !== was) { scrollTo(0, 0); onChange(); }
  }

  section.append(leaveButton);
  window.addEventListener("hashchange", update);
  // The browser itself leaves the full screen at Escape, and tells the page so.
  document.addEventListener("fullscreenchange", () => {
    if (document.fullscreenElement) isFullScreen = true;
    else if (isFullScreen && isRequested()) leave();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && isRequested()) leave(); });
  return {button, update};
}
