// The panel beside an open picture: what is known of it.
"use strict";

(() => {
  const { store, address, tiles } = gallery;
  const { element, number, plural, bytes, pixels, moment, plain, webLink, fileAddress, thumbnailAddress } = gallery.text;
  const MAX_PLACES = 100; // that are listed
  const MAX_ALIKE = 24;

  const root = document.getElementById("record");
  const SCRIPTLESS = new Set(["jpeg", "jpg", "png", "gif", "webp", "avif", "bmp", "ico", "tiff", "tif", "heic", "heif", "jxl"]);
  const ENDINGS = /\.(?:jpe?g|jfif|png|apng|gif|webp|avif|bmp|ico|cur|tiff?|heic|heif|jxl)$/i;

  const section = (title, ...children) => {
    const filled = children.filter(Boolean);
    return filled.length ? element("section", {}, element("h3", { textContent: title }), ...filled) : null;
  };

  /** Rows of a list of terms; those without a value are left out. */
  const terms = (pairs) => {
    const rows = pairs
      .filter(([, value]) => value !== "" && value !== null && value !== undefined)
      .map(([name, value]) =>
        element(
          "div",
          {},
          element("dt", { textContent: name }),
          typeof value === "string" ? element("dd", { textContent: value.slice(0, 2000), dir: "auto" }) : element("dd", {}, value),
        ),
      );
    return rows.length ? element("dl", {}, ...rows) : null;
  };

  const machine = (text) => element("span", { className: "machine", textContent: plain(text) });

  /**
   * The file, as a link where opening it shows a picture and nothing else. An SVG, or what has the name of anything
   * but a picture, would be a page with scripts of its own: its path is text.
   */
  const file = (i) => {
    const path = store.path(i);
    if (!path) return "kept elsewhere: only its thumbnail is here";
    const href = fileAddress(path);
    if (!href || !SCRIPTLESS.has(tiles.format(i)) || !ENDINGS.test(path)) return machine(path);
    return element("a", { href, target: "_blank", rel: "noopener noreferrer", textContent: plain(path) });
  };

  const facts = (i) => {
    const { columns, meta } = store;
    const status = meta.statuses[columns.status[i]];
    const revisit = meta.revisits[columns.revisit[i]];
    return element(
      "ul",
      { className: "facts" },
      ...[
        pixels(columns.w[i], columns.h[i]),
        tiles.format(i).toUpperCase(),
        bytes(columns.bytes[i]),
        status === "duplicate" ? "same file as another" : "",
        revisit ? `since the last crawl: ${revisit}` : "",
      ]
        .filter(Boolean)
        .map((text) => element("li", { textContent: text })),
    );
  };

  const where = (i, detail) => {
    const { columns, meta } = store;
    const page = detail.page || "";
    return section(
      "Where it stood",
      page ? element("p", { className: "lead" }, webLink(page, detail.page_title || page)) : null,
      terms([
        ["Page", page && detail.page_title ? webLink(page) : ""],
        ["Found in", meta.found_in[columns.found[i]] || ""],
        ["Heading", detail.heading || ""],
      ]),
    );
  };

  const pages = (detail) => {
    const all = Array.isArray(detail.pages) ? detail.pages : [];
    const listed = all.filter(Boolean).slice(0, MAX_PLACES);
    const more = (Number(detail.more_pages) || 0) + all.length - listed.length;
    if (!listed.length) return null;
    return section(
      `Other pages (${number(listed.length + more)})`,
      element("ul", { className: "places" }, ...listed.map((one) => element("li", {}, webLink(String(one))))),
      more ? element("p", { textContent: `… and ${number(more)} more` }) : null,
    );
  };

  const words = (detail) =>
    section("Its words", terms([["Alt", detail.alt || ""], ["Title", detail.title || ""], ["Caption", detail.caption || ""]]));

  const place = (one) =>
    element(
      "li",
      {},
      webLink(String(one.page)),
      one.url && one.url !== one.page ? element("p", {}, "as ", webLink(String(one.url))) : null,
      one.alt || one.caption ? element("p", { textContent: String(one.alt || one.caption).slice(0, 300), dir: "auto" }) : null,
      one.found_in ? element("small", { textContent: plain(one.found_in) }) : null,
    );

  const places = (detail) => {
    const all = Array.isArray(detail.places) ? detail.places : [];
    const listed = all.filter((one) => one && one.page).slice(0, MAX_PLACES);
    const more = (Number(detail.more_places) || 0) + Math.max(0, all.length - MAX_PLACES);
    if (!listed.length) return null;
    return section(
      `Other places (${number(listed.length + more)})`,
      element("ul", { className: "places" }, ...listed.map(place)),
      more ? element("p", { textContent: `… and ${number(more)} more` }) : null,
    );
  };

  const alike = (i) => {
    const { group, w, h } = store.columns;
    if (!group[i]) return null;
    const members = [];
    for (let at = 0; at < store.count; at += 1) if (group[at] === group[i] && at !== i) members.push(at);
    if (!members.length) return null;
    const link = (at) => {
      const image = element("img", { alt: store.title(at).slice(0, 200), decoding: "async", loading: "lazy" });
      image.addEventListener("error", () => image.removeAttribute("src"));
      const source = thumbnailAddress(store.thumb(at)) || (tiles.isShown(at) ? fileAddress(store.path(at)) : "");
      if (source) image.src = source;
      const made = element(
        "a",
        { href: address.written({ ...address.choice, image: store.id(at) }) },
        image,
        element("span", { textContent: pixels(w[at], h[at]) }),
      );
      made.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        gallery.view.go(at);
      });
      return element("li", {}, made);
    };
    const beside = element("button", { type: "button", className: "button", textContent: "Side by side" });
    beside.addEventListener("click", () => gallery.app.showAlike(i));
    return section(
      `Look-alikes (${number(members.length)})`,
      element("ul", { className: "alike" }, ...members.slice(0, MAX_ALIKE).map(link)),
      beside,
    );
  };

  const optOuts = (detail) => {
    const all = Array.isArray(detail.opt_outs) ? detail.opt_outs : [];
    if (!all.length) return null;
    const text = (one) =>
      typeof one === "string" ? one : [one.signal, one.place, one.text].filter(Boolean).map(String).join(" · ");
    return section(
      "What its owner asks",
      element("ul", { className: "places" }, ...all.slice(0, 20).map((one) => element("li", { textContent: plain(text(one)), dir: "auto" }))),
    );
  };

  const readable = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

  const more = (detail) => {
    const pairs = Object.entries(detail.more || {}).slice(0, 60);
    if (!pairs.length) return null;
    return element(
      "details",
      { className: "more" },
      element("summary", { textContent: `${plural(pairs.length, "more field")} of the record` }),
      terms(pairs.map(([name, value]) => [plain(name), machine(readable(value))])),
    );
  };

  /** Fill the panel for image *i*. *isCurrent* says whether it is still wanted when its data have come. */
  const show = async (i, isCurrent) => {
    const base = [facts(i)];
    const addressOf = (detail) =>
      section(
        "Address",
        terms([
          ["Image", webLink(store.url(i))],
          ["In the end", detail.final_url && detail.final_url !== store.url(i) ? webLink(detail.final_url) : ""],
          ["Host", plain(store.meta.hosts[store.columns.host[i]] || "")],
          ["File", file(i)],
          ["Saved", moment(store.columns.date[i])],
          ["SHA-256", detail.sha256 ? machine(detail.sha256) : ""],
        ]),
      );
    const detail = await Promise.race([store.detail(i), new Promise((resolve) => setTimeout(resolve, 120, undefined))]);
    if (!isCurrent()) return;
    const fill = (known) =>
      root.replaceChildren(
        ...[...base, where(i, known), pages(known), words(known), places(known), alike(i), addressOf(known), optOuts(known), more(known)].filter(Boolean),
      );
    if (detail !== undefined) {
      fill(detail || {});
    } else {
      fill({}); // a slow disk: what is known already, and the rest when it comes
      const late = await store.detail(i);
      if (isCurrent() && late) fill(late);
      if (!isCurrent()) return;
    }
    if (detail === null) root.append(element("p", { className: "notice", textContent: "More of its record can't be read. Make the gallery anew: image-crawler gallery DIR --fresh" }));
  };

  gallery.record = { show };
})();
