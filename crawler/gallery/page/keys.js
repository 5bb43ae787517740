// The keyboard. Keys with a modifier belong to the browser, and so does typing in a field.
"use strict";

(() => {
  const { rows, grid, view, filters } = gallery;
  const search = document.getElementById("search");
  const help = document.getElementById("help");
  const helpButton = document.getElementById("help-button");

  const isTyping = (target) =>
    target instanceof HTMLSelectElement ||
    target instanceof HTMLTextAreaElement ||
    (target instanceof HTMLInputElement && target.type !== "checkbox");

  const openHelp = () => help.showModal();
  helpButton.addEventListener("click", openHelp);
  document.getElementById("help-close").addEventListener("click", () => help.close());
  help.addEventListener("click", (event) => {
    if (event.target === help) help.close(); // beside it
  });

  const inDetail = (event) => {
    const isInPanel = event.target instanceof Element && event.target.closest("#panel");
    switch (event.key) {
      case "Escape": view.leave(); return true;
      case "ArrowRight": case "j": case "PageDown": if (isInPanel && event.key === "PageDown") return false; view.step(1); return true;
      case "ArrowLeft": case "k": case "PageUp": if (isInPanel && event.key === "PageUp") return false; view.step(-1); return true;
      case "Home": if (isInPanel) return false; view.first(); return true;
      case "End": if (isInPanel) return false; view.last(); return true;
      case "z": view.zoom(); return true;
      case "i": view.togglePanel(); return true;
      default: return false;
    }
  };

  /** Where a key leads in the grid; -1 if nowhere. */
  const target = (key, from) => {
    switch (key) {
      case "ArrowRight": case "j": return from + 1;
      case "ArrowLeft": case "k": return from - 1;
      case "ArrowDown": return rows.vertical(from, 1);
      case "ArrowUp": return rows.vertical(from, -1);
      case "PageDown": return rows.vertical(from, grid.rowsInWindow());
      case "PageUp": return rows.vertical(from, -grid.rowsInWindow());
      case "Home": return 0;
      case "End": return rows.shown - 1;
      default: return -1;
    }
  };

  const inGrid = (event) => {
    if (grid.root.hidden || !rows.shown) return false;
    if (grid.root.contains(document.activeElement)) {
      const to = target(event.key, grid.active);
      if (to < 0) return ["ArrowLeft", "k"].includes(event.key);
      grid.focus(to);
      return true;
    }
    // From nowhere, into the grid; up, down, Home and End scroll the page then, as they always do.
    const isFree = document.activeElement === document.body || document.activeElement === document.getElementById("main");
    if (!isFree || !["ArrowLeft", "ArrowRight", "j", "k"].includes(event.key)) return false;
    grid.focus(grid.firstVisible());
    return true;
  };

  const anywhere = (event) => {
    switch (event.key) {
      case "/": search.focus(); search.select(); return true;
      case "?": openHelp(); return true;
      case "f": filters.open(!filters.isOpen); return true;
      default: return false;
    }
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (help.open) return; // a <dialog> closes itself at Escape
    if (isTyping(event.target)) {
      if (event.target === search) inSearch(event);
      return;
    }
    const isDone = view.isOpen ? inDetail(event) : inGrid(event) || anywhere(event);
    if (isDone) event.preventDefault();
  });

  const inSearch = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      if (search.value) gallery.app.searchFor("");
      else search.blur();
    } else if (event.key === "ArrowDown" && rows.shown && !grid.root.hidden) {
      event.preventDefault();
      grid.focus(grid.firstVisible());
    }
  };
})();
