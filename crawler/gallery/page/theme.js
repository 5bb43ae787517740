// Dark or light, before anything is painted. "auto" follows the system; a choice is kept where storage exists.
"use strict";

window.gallery = {};

(() => {
  const KEY = "image-crawler-gallery-";

  /** What was kept under a name, or "". Storage may be forbidden, as in private windows. */
  const kept = (name) => {
    try {
      return localStorage.getItem(KEY + name) || "";
    } catch {
      return "";
    }
  };

  const keep = (name, value) => {
    try {
      localStorage.setItem(KEY + name, value);
    } catch {
      // forbidden or full: the choice holds for this visit
    }
  };

  const THEMES = ["auto", "light", "dark"];
  let theme = THEMES.includes(kept("theme")) ? kept("theme") : "auto";

  const show = () => {
    document.documentElement.dataset.theme = theme;
  };

  show();

  // Nothing is shown before the first data say how much room the head takes: so nothing moves. A slow disk has a moment.
  const { classList } = document.documentElement;
  const PATIENCE_MS = 700;
  classList.add("is-starting");
  gallery.started = () => classList.remove("is-starting");
  setTimeout(gallery.started, PATIENCE_MS);

  gallery.storage = { kept, keep };
  gallery.theme = {
    get name() {
      return theme;
    },
    turn() {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      keep("theme", theme);
      show();
    },
  };
})();
