// One tile of the grid: a link with a picture in it. Tiles are used again for other pictures.
"use strict";

(() => {
  const { store } = gallery;
  const { ratio } = gallery.rows;
  const { element, fileAddress, thumbnailAddress, pixels, bytes, nameOf } = gallery.text;
  const SMALL_FILE = 2_000_000; // bytes that may be read in place of a thumbnail
  const CUT = 1.15; // a picture so much taller or wider than its tile is marked: a part of it is shown
  const SHOWN_BY_BROWSERS = new Set(["jpeg", "jpg", "png", "gif", "webp", "avif", "svg", "bmp", "ico"]);
  const SEE_THROUGH = new Set(["png", "svg", "gif", "webp", "ico", "avif"]);

  const format = (i) => store.meta.formats[store.columns.format[i]] || "";
  const isShown = (i) => SHOWN_BY_BROWSERS.has(format(i));

  /** Where the picture may come from, the best first: its thumbnail, else a small file itself. */
  const sources = (i) => {
    const found = [];
    const thumbnail = thumbnailAddress(store.thumb(i));
    if (thumbnail) found.push(thumbnail);
    const file = fileAddress(store.path(i));
    if (file && isShown(i) && store.columns.bytes[i] <= SMALL_FILE) found.push(file);
    return found;
  };

  const make = () => {
    const image = element("img", { alt: "", decoding: "async", draggable: false });
    const link = element("a", { className: "tile", tabIndex: -1 }, image);
    const cell = element("div", { role: "gridcell", className: "cell" }, link);
    const tile = { cell, link, image, i: -1, position: -1, left: [], caption: null, missing: null, badge: null, label: null };
    image.addEventListener("load", () => link.classList.remove("waits"));
    image.addEventListener("error", () => {
      if (tile.left.length) show(tile);
      else fail(tile);
    });
    return tile;
  };

  /** Fetch the next of its sources. */
  const show = (tile) => {
    const source = tile.left.shift();
    if (source) tile.image.src = source;
    else fail(tile);
  };

  const fail = (tile) => {
    const { i, link, image } = tile;
    if (i < 0 || !image) return;
    image.removeAttribute("src");
    link.classList.remove("waits");
    link.classList.add("is-missing");
    if (!tile.missing) {
      tile.missing = element("span", { className: "missing", dir: "auto" });
      link.append(tile.missing);
    }
    const why = store.thumb(i) || (isShown(i) && store.path(i)) ? "not there" : format(i).toUpperCase() || "no picture";
    tile.missing.replaceChildren(element("b", { textContent: why }), element("span", { textContent: store.name(i) }));
  };

  const REVISITS = { new: "new", changed: "changed", gone: "gone" };

  /** Make *tile* show image *i*, *width* by *height* pixels of the page; the picture is fetched by `show`. */
  const fill = (tile, { i, position, width, height, left, href, hasCaption }) => {
    const { cell, link, image } = tile;
    const { columns } = store;
    cell.style.transform = `translateX(${left}px)`;
    cell.style.width = `${width}px`;
    link.style.height = `${height}px`;
    tile.position = position;
    if (tile.href !== href) {
      link.href = href;
      tile.href = href;
    }
    if (tile.i !== i) {
      tile.i = i;
      image.removeAttribute("src");
      image.alt = store.title(i).slice(0, 200);
      link.className = "tile waits";
      if (SEE_THROUGH.has(format(i))) link.classList.add("see-through");
      if (tile.missing) {
        tile.missing.remove();
        tile.missing = null;
      }
      if (tile.label) {
        tile.label.remove();
        tile.label = null;
      }
      tile.left = sources(i);
      mark(tile, REVISITS[store.meta.revisits[columns.revisit[i]]] || "");
    }
    // Not drawn larger than twice their size: an icon is no photo
    link.classList.toggle("is-small", columns.w[i] * 2 < width && columns.h[i] * 2 < height && columns.w[i] > 0);
    const shape = columns.w[i] && columns.h[i] ? columns.w[i] / columns.h[i] / ratio(i) : 1;
    link.classList.toggle("is-wide", shape > CUT);
    link.classList.toggle("is-tall", shape < 1 / CUT);
    captioned(tile, hasCaption);
  };

  const mark = (tile, word) => {
    if (!word) {
      if (tile.badge) tile.badge.remove();
      tile.badge = null;
      return;
    }
    if (!tile.badge) {
      tile.badge = element("span", { className: "mark" });
      tile.link.append(tile.badge);
    }
    tile.badge.textContent = word;
    tile.badge.dataset.word = word;
  };

  const captioned = (tile, hasCaption) => {
    if (!hasCaption) {
      if (tile.caption) tile.caption.remove();
      tile.caption = null;
      return;
    }
    if (!tile.caption) {
      tile.caption = element("div", { className: "caption" });
      tile.cell.append(tile.caption);
    }
    const { columns, meta } = store;
    const { i } = tile;
    const parts = [
      element("b", { textContent: `${pixels(columns.w[i], columns.h[i])} ${format(i).toUpperCase()}` }),
      element("span", { textContent: bytes(columns.bytes[i]) }),
      element("span", { textContent: nameOf(store.url(i)), dir: "auto" }),
    ];
    // two lines: where all are of one host, it tells none apart
    if (meta.hosts.length > 1) parts.splice(2, 0, element("span", { textContent: meta.hosts[columns.host[i]] || "", dir: "auto" }));
    tile.caption.replaceChildren(...parts);
  };

  /** The line over a picture that the pointer or the focus is on. It is made when it is first needed. */
  const label = (tile) => {
    if (tile.label || tile.i < 0 || tile.missing) return;
    const { i } = tile;
    const title = store.title(i);
    tile.label = element(
      "span",
      { className: "label", "aria-hidden": "true" },
      element("span", { textContent: title.slice(0, 120), dir: "auto" }),
      element("small", { textContent: pixels(store.columns.w[i], store.columns.h[i]) }),
    );
    tile.link.append(tile.label);
  };

  gallery.tiles = { make, fill, show, label, format, isShown, SEE_THROUGH };
})();
