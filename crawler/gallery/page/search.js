// Which pictures a search means, and how well each fits.
"use strict";

(() => {
  const { folded } = gallery.text;
  const MAX_TERMS = 12;
  const FIELD_WEIGHTS = [24, 22, 22, 14, 10]; // alt, title, caption, heading, title of the page
  const NAME_WEIGHT = 16; // the file's name in the address
  const HOST_WEIGHT = 12;
  const PATH_WEIGHT = 6;
  const WHOLE_WORD = 6;
  const WORD_BEGINS = 3;

  /** The terms of what was typed: words and "phrases", and those with a "-" before them, which must not be there. */
  const parsed = (typed) => {
    const wanted = [];
    const unwanted = [];
    for (const [, minus, phrase, word] of typed.matchAll(/(-?)(?:"([^"]*)"?|([^\s"]+))/g)) {
      const term = folded(phrase === undefined ? word : phrase).trim();
      if (!term || term === "-") continue;
      if (minus) unwanted.push(term);
      else wanted.push(term);
    }
    // the longest first: it rules out most
    wanted.sort((a, b) => b.length - a.length);
    return { wanted: wanted.slice(0, MAX_TERMS), unwanted: unwanted.slice(0, MAX_TERMS) };
  };

  /** Letters and digits of any script: what lies outside of ASCII counts as a letter. */
  const isLetter = (code) =>
    code > 127 || (code > 47 && code < 58) || (code > 96 && code < 123);

  const bounds = (text, at, length) => {
    if (at > 0 && isLetter(text.charCodeAt(at - 1))) return 0;
    const end = at + length;
    return end < text.length && isLetter(text.charCodeAt(end)) ? WORD_BEGINS : WHOLE_WORD;
  };

  /** How well *term* fits one picture, by where it is first found; 0 if it is not there. */
  const fit = (words, address, term) => {
    let at = words.indexOf(term);
    if (at >= 0) {
      let field = 0;
      for (let mark = words.indexOf("\u001f"); mark >= 0 && mark < at; mark = words.indexOf("\u001f", mark + 1)) field += 1;
      return FIELD_WEIGHTS[Math.min(field, FIELD_WEIGHTS.length - 1)] + bounds(words, at, term.length);
    }
    at = address.indexOf(term);
    if (at < 0) return 0;
    const name = address.lastIndexOf("/") + 1;
    const inName = at >= name ? at : address.indexOf(term, name);
    if (inName >= 0) return NAME_WEIGHT + bounds(address, inName, term.length);
    const host = address.indexOf("://") + 3;
    if (at >= host && at < address.indexOf("/", host)) return HOST_WEIGHT + bounds(address, at, term.length);
    return PATH_WEIGHT;
  };

  /** The sum over all terms; 0 if one that is wanted is missing, or one that is not wanted is there. */
  const score = (terms, words, address) => {
    let sum = 0;
    for (const term of terms.wanted) {
      const one = fit(words, address, term);
      if (!one) return 0;
      sum += one;
    }
    for (const term of terms.unwanted) if (words.includes(term) || address.includes(term)) return 0;
    return sum || 1;
  };

  gallery.search = { parsed, score };
})();
