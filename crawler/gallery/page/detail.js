// The detail view: PhotoSwipe shows, zooms and swipes; the buttons, keys and the panel are ours.
"use strict";

(() => {
  const { store, address, rows, grid, tiles, record } = gallery;
  const { element, number, fileAddress, thumbnailAddress } = gallery.text;
  const UNKNOWN_PX = 1024; // the side of a picture that has no size of its own
  const THUMBNAIL_PX = 400; // a side, but of what is taller or wider than two to one: half of it, and up to four times
  const THIN_PX = 48; // a side that is drawn thinner at first can't be seen
  const TINY_PX = 64;

  const dialog = document.getElementById("detail");
  const stage = document.getElementById("stage");
  const title = document.getElementById("detail-title");
  const place = document.getElementById("position");
  const panel = document.getElementById("panel");
  const panelButton = document.getElementById("panel-button");
  const previous = document.getElementById("previous");
  const next = document.getElementById("next");
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  let viewer = null;
  let isReady = false; // whether it has opened
  let order = []; // what is paged through
  let current = -1; // the image that is shown
  let opener = null; // what had the focus before

  /** What PhotoSwipe needs to know of the picture at *position*: its file, else its thumbnail. */
  const slide = (position) => {
    const i = order[position];
    if (i === undefined) return { type: "none", width: 1, height: 1 }; // asked for while it closes
    const { w, h } = store.columns;
    const thumbnail = thumbnailAddress(store.thumb(i));
    const file = tiles.isShown(i) ? fileAddress(store.path(i)) : "";
    const isKnown = w[i] > 0 && h[i] > 0;
    let size = isKnown ? { width: w[i], height: h[i] } : { width: UNKNOWN_PX, height: UNKNOWN_PX };
    if (!file && isKnown) {
      const [shorter, longer] = [Math.min(w[i], h[i]), Math.max(w[i], h[i])];
      const scale = Math.min(1, Math.max(THUMBNAIL_PX / longer, Math.min(THUMBNAIL_PX / 2 / shorter, (THUMBNAIL_PX * 4) / longer)));
      size = { width: Math.max(1, Math.round(w[i] * scale)), height: Math.max(1, Math.round(h[i] * scale)) };
    }
    const src = file || thumbnail;
    // "type" other than image: an element of our own in its place
    return { ...size, src, msrc: file && thumbnail ? thumbnail : undefined, alt: store.title(i).slice(0, 500), i, ...(src ? {} : { type: "none" }) };
  };

  const message = (i) => {
    const format = tiles.format(i).toUpperCase();
    if (!store.path(i)) return "The file is kept elsewhere, and there is no thumbnail of it.";
    if (!tiles.isShown(i)) return `Browsers do not show ${format || "this format"}. The file: ${store.path(i)}`;
    return `The file is not there, or it can't be shown: ${store.path(i)}`;
  };

  const unseen = (i) => {
    const made = element("div", { className: "unseen" });
    const thumbnail = thumbnailAddress(store.thumb(i));
    if (thumbnail) {
      const image = element("img", { alt: store.title(i).slice(0, 200), src: thumbnail });
      image.addEventListener("error", () => image.remove());
      made.append(image);
    }
    made.append(element("p", { textContent: message(i), dir: "auto" }));
    return made;
  };

  /** As large as fits and no larger than it is; but never thinner than can be seen. */
  const initialZoom = (zoom) => {
    const { x, y } = zoom.elementSize;
    const fit = Math.min(1, zoom.panAreaSize.x / x, zoom.panAreaSize.y / y);
    const shorter = Math.min(x, y);
    return Math.max(fit, shorter * fit < THIN_PX ? Math.min(THIN_PX / shorter, Math.max(1, 4 / shorter)) : 0);
  };

  const makeViewer = (position) => {
    const made = new PhotoSwipe({
      dataSource: [],
      index: position,
      appendToEl: stage,
      getViewportSizeFn: () => ({ x: stage.clientWidth, y: stage.clientHeight }),
      paddingFn: (viewport) => (viewport.x < 700 ? { top: 0, bottom: 0, left: 0, right: 0 } : { top: 56, bottom: 24, left: 64, right: 64 }),
      showHideAnimationType: calm.matches ? "none" : "fade",
      showAnimationDuration: 120,
      hideAnimationDuration: 0,
      zoomAnimationDuration: calm.matches ? 0 : 220,
      initialZoomLevel: initialZoom,
      secondaryZoomLevel: (zoom) => {
        const start = initialZoom(zoom);
        return start < 0.99 ? Math.max(1, start * 2) : Math.max(2, Math.min(8, TINY_PX * 4 / Math.max(zoom.elementSize.x, zoom.elementSize.y)));
      },
      maxZoomLevel: (zoom) => Math.max(4, initialZoom(zoom) * 4, (TINY_PX * 8) / Math.max(zoom.elementSize.x, zoom.elementSize.y)),
      loop: false,
      bgOpacity: 1,
      wheelToZoom: true,
      imageClickAction: "zoom",
      bgClickAction: "close",
      tapAction: "toggle-controls",
      doubleTapAction: "zoom",
      pinchToClose: true,
      closeOnVerticalDrag: true,
      escKey: false, // keys are in keys.js
      arrowKeys: false,
      trapFocus: false, // the <dialog> does both
      returnFocus: false,
      preload: [1, 1],
    });
    made.addFilter("numItems", () => order.length);
    made.addFilter("itemData", (_, index) => slide(index));
    made.addFilter("contentErrorElement", (_, content) => unseen(content.data.i));
    made.addFilter("useContentPlaceholder", (use, content) => use && Boolean(content.data.msrc));
    made.on("contentLoad", (event) => {
      const { content } = event;
      if (content.type !== "none") return;
      event.preventDefault();
      content.element = element("div", {}, content.data.i === undefined ? "" : unseen(content.data.i));
      content.state = "loaded";
    });
    made.on("contentAppend", ({ content }) => {
      if (!content.element) return;
      const { i } = content.data;
      if (i === undefined) return;
      content.element.classList.toggle("is-tiny", store.columns.w[i] > 0 && Math.max(store.columns.w[i], store.columns.h[i]) <= TINY_PX);
      content.element.classList.toggle("see-through", tiles.SEE_THROUGH.has(tiles.format(i)));
    });
    // Its own buttons are markup put in as text, which the policy of this page forbids; ours stand in index.html.
    made.on("uiRegister", () => {
      made.ui.uiElementsData = [];
    });
    made.on("change", () => {
      const i = order[made.currIndex];
      if (i !== undefined && i !== current) {
        address.change({ image: store.id(i) }, { isStep: false });
      }
    });
    // Keys are in keys.js; what is left to it is moving a zoomed picture up and down.
    made.on("keydown", (event) => {
      const { key, target } = event.originalEvent;
      if (!["ArrowUp", "ArrowDown"].includes(key) || panel.contains(target)) event.preventDefault();
    });
    made.on("close", () => {
      if (viewer === made) {
        viewer = null;
        if (address.choice.image !== null) leave();
      }
    });
    made.on("afterInit", () => {
      // the <dialog> around it is the dialog
      made.scrollWrap.removeAttribute("aria-roledescription");
      made.element.removeAttribute("role");
      made.element.removeAttribute("tabindex");
      made.element.removeAttribute("aria-hidden");
    });
    return made;
  };

  const leave = () => address.leave({ image: null });

  const count = (position) => {
    place.textContent = order.length > 1 ? `${number(position + 1)} of ${number(order.length)}` : "";
    previous.disabled = position <= 0;
    next.disabled = position >= order.length - 1;
  };

  const describe = (position) => {
    const i = order[position];
    current = i;
    title.textContent = store.title(i).slice(0, 500);
    count(position);
    panel.scrollTop = 0;
    record.show(i, () => current === i && dialog.open);
  };

  const showPanel = (isShown) => {
    dialog.classList.toggle("has-panel", isShown);
    panelButton.setAttribute("aria-expanded", String(isShown));
    panel.hidden = !isShown;
    if (viewer) viewer.updateSize(true);
  };

  const goTo = (position) => {
    if (!isReady) {
      // PhotoSwipe loses its slides if it is moved while it opens: it opens there instead
      end();
      start(position);
      address.change({ image: store.id(order[position]) }, { isStep: false });
      return;
    }
    if (calm.matches) viewer.mainScroll.moveIndexBy(position - viewer.potentialIndex, false);
    else viewer.goTo(position);
  };

  const start = (position) => {
    isReady = false;
    viewer = makeViewer(position);
    const started = viewer;
    viewer.on("openingAnimationEnd", () => {
      if (viewer !== started) return;
      isReady = true;
      renew(); // what was read while it opened
    });
    viewer.init();
    describe(position);
  };

  /** Show image *i*, or close if it is null. What is paged through is what the grid shows, if the image is in it. */
  const show = (i) => {
    if (i === null) {
      close();
      return;
    }
    if (current === i && dialog.open) return;
    let position = order === rows.order || dialog.open ? order.indexOf(i) : -1;
    if (position < 0) {
      position = rows.order.indexOf(i);
      order = position < 0 ? Uint32Array.of(i) : rows.order;
      position = Math.max(0, position);
      if (viewer) end();
    }
    if (!dialog.open) {
      opener = document.activeElement;
      showPanel(gallery.storage.kept("panel") !== "closed");
      dialog.showModal();
      document.documentElement.classList.add("has-detail");
      document.getElementById("close").focus({ preventScroll: true });
    }
    if (!viewer) start(position);
    else {
      if (viewer.potentialIndex !== position) goTo(position);
      describe(position);
    }
  };

  const end = () => {
    const old = viewer;
    viewer = null;
    if (!old) return;
    if (isReady) old.destroy();
    else {
      // While it opens it does not let itself be closed
      old.element.remove();
      old.on("openingAnimationEnd", () => old.destroy());
    }
  };

  /** Close it; the focus goes to the picture that was seen last, where it is in the grid, else to where it was. */
  const close = () => {
    if (!dialog.open) return;
    const last = current;
    end();
    current = -1;
    dialog.close();
    document.documentElement.classList.remove("has-detail");
    const position = rows.order.indexOf(last);
    if (position >= 0 && address.choice.tab !== "failures") grid.focus(position);
    else if (opener && opener.isConnected) opener.focus({ preventScroll: true });
    order = [];
    opener = null;
  };

  /** Page through what the grid shows by now: more has been read, or saved, since it was opened. */
  const renew = () => {
    if (!viewer || !isReady || order === rows.order) return;
    const position = rows.order.indexOf(current);
    if (position < 0) return;
    order = rows.order;
    if (viewer.currIndex === position && viewer.potentialIndex === position) {
      count(position);
      viewer.refreshSlideContent(position + 1); // there was none after the last one
    } else {
      end();
      start(position);
    }
  };

  const step = (by) => {
    if (!viewer) return;
    const position = viewer.potentialIndex + by;
    if (position >= 0 && position < order.length) goTo(position);
  };

  previous.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  document.getElementById("close").addEventListener("click", leave);
  document.getElementById("zoom").addEventListener("click", () => viewer && viewer.toggleZoom());
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault(); // Escape is in keys.js; this is the back gesture of a phone
    leave();
  });
  const togglePanel = () => {
    const isShown = panel.hidden;
    showPanel(isShown);
    gallery.storage.keep("panel", isShown ? "open" : "closed");
  };
  panelButton.addEventListener("click", togglePanel);

  gallery.view = {
    show,
    leave,
    renew,
    step,
    togglePanel,
    zoom: () => viewer && viewer.toggleZoom(),
    first: () => viewer && goTo(0),
    last: () => viewer && goTo(order.length - 1),
    /** Go from the open picture to another one. That is no step: back closes the view. */
    go: (i) => address.change({ image: store.id(i) }, { isStep: false }),
    get isOpen() {
      return dialog.open;
    },
  };
})();
