// Texts, numbers and addresses as people read them. What comes from the crawl becomes text nodes and checked properties
// alone.
"use strict";

(() => {
  const LIMIT = 2000; // characters of any text that is shown; the record file has the rest

  /**
   * An element. *properties* are set as DOM properties, and as attributes where they begin with "aria" or "role".
   * Children are nodes, or texts.
   */
  const element = (name, properties = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key === "role" || key.startsWith("aria-")) made.setAttribute(key, value);
      else if (key === "data") Object.assign(made.dataset, value);
      else made[key] = value;
    }
    made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return made;
  };

  const icon = (name) => {
    const SVG = "http://www.w3.org/2000/svg";
    const made = document.createElementNS(SVG, "svg");
    made.setAttribute("class", "icon");
    made.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", `#i-${name}`);
    made.append(use);
    return made;
  };

  const numbers = new Intl.NumberFormat("en");
  const number = (value) => numbers.format(value);
  const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

  /** As the commands say it: KiB, not kB, or one crawl would have two sizes. */
  const bytes = (count) => {
    if (!(count >= 0)) return "";
    if (count < 1024) return plural(count, "byte");
    const units = ["KiB", "MiB", "GiB", "TiB"];
    let value = count;
    let unit = -1;
    while (value >= 1023.95 && unit < units.length - 1) {
      value /= 1024;
      unit += 1;
    }
    return `${value.toFixed(1)} ${units[unit]}`;
  };

  const pixels = (width, height) => (width && height ? `${width} × ${height}` : "size not known");

  const days = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
  const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
  const day = (seconds) => (seconds ? days.format(seconds * 1000) : "");
  const moment = (seconds) => (seconds ? moments.format(seconds * 1000) : "");

  /** Without characters that are not seen or that turn the order of others: names of machines have none. */
  const plain = (text) =>
    String(text).slice(0, LIMIT).replace(/[\p{Cc}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu, "\ufffd");

  /** The address, if it is one that a link may have: http or https. Else null. */
  const webAddress = (text) => {
    try {
      const address = new URL(text);
      return address.protocol === "http:" || address.protocol === "https:" ? address : null;
    } catch {
      return null;
    }
  };

  /** A link that tells nobody where it was followed from; plain text where the address is none of the web. */
  const webLink = (url, text = url) => {
    const address = webAddress(url);
    if (!address) return element("span", { className: "address", textContent: plain(text) });
    return element("a", {
      className: "address",
      href: address.href,
      target: "_blank",
      rel: "noopener noreferrer",
      referrerPolicy: "no-referrer",
      textContent: plain(text),
    });
  };

  /** The relative address of a file of the crawl; "" if it can't be written as one or leads elsewhere. */
  const fileAddress = (path) => {
    const parts = String(path).split("/");
    if (!path || parts.some((part) => part === "" || part === "." || part === "..")) return "";
    try {
      return `../${parts.map(encodeURIComponent).join("/")}`;
    } catch {
      return ""; // half of a surrogate pair
    }
  };

  const THUMBNAIL = /^[0-9a-f]{2}\/[0-9a-f]{6,64}$/;
  const thumbnailAddress = (name) => (THUMBNAIL.test(name) ? `thumbs/${name}.webp` : "");

  const decoded = (url) => {
    if (!url.includes("%")) return url;
    try {
      return decodeURIComponent(url);
    } catch {
      return url;
    }
  };

  /** The file's name in an address or a path. */
  const nameOf = (url) => {
    const end = url.search(/[?#]/);
    const path = end < 0 ? url : url.slice(0, end);
    const name = path.slice(path.lastIndexOf("/") + 1);
    return plain(decoded(name || path));
  };

  const ACCENTED = /[\xaa\xb2\xb3\xb9\xba\xe0-\xef\xf1-\xf6\xf9-\xfd\xff]/g;
  const PLAIN = Object.fromEntries(
    Object.entries({ a: "àáâãäåª", c: "ç", e: "èéêë", i: "ìíîï", n: "ñ", o: "òóôõöº", u: "ùúûü", y: "ýÿ", 1: "¹", 2: "²", 3: "³" })
      .flatMap(([letter, accented]) => Array.from(accented, (one) => [one, letter])),
  );

  const words = new Map(); // words of such letters after folding: of a whole chunk the steps would be a copy each
  const MOST_WORDS = 5000;
  const foldedWord = (word) => {
    let made = words.get(word);
    if (made !== undefined) return made;
    made = word.normalize("NFKD").replace(/\p{M}+/gu, "");
    if (/[A-Z]/.test(made)) made = made.toLowerCase(); // such as the C of the sign for Celsius
    if (words.size >= MOST_WORDS) words.clear();
    words.set(word, made);
    return made;
  };

  /**
   * As it is compared in a search: without case and accents. Whole chunks go through here: normalize() makes letters of
   * two bytes of all, so that Latin letters, which most texts are of, have a table.
   */
  const folded = (text) => {
    if (!/[A-Z\x80-\uffff]/.test(text)) return text;
    const lower = text.toLowerCase();
    if (!/[^\x00-\x7f]/.test(lower)) return lower;
    if (!/[^\x00-\xff]/.test(lower)) return lower.replace(ACCENTED, (letter) => PLAIN[letter] || letter);
    return lower.replace(/[^\x00-\x7f]+/g, foldedWord);
  };

  gallery.text = {
    element, icon, number, plural, bytes, pixels, day, moment, plain, webAddress, webLink, fileAddress,
    thumbnailAddress, decoded, nameOf, folded,
  };
})();
