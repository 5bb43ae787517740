// Which pictures a search means, and how well each fits.
"use strict";

(() => {
  const { folded } = gallery.text;
  const MAX_TERMS = 12;
  const FIELD_END = 31; // the character between the words of a picture
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

  /** Whether a word, or the beginning of one, stands at *at* in the row from *start* to *end*. */
  const bounds = (whole, at, length, start, end) => {
    if (at > start && isLetter(whole.charCodeAt(at - 1))) return 0;
    const after = at + length;
    return after < end && isLetter(whole.charCodeAt(after)) ? WORD_BEGINS : WHOLE_WORD;
  };

  const inWords = (whole, at, length, start, end) => {
    let field = 0;
    for (let mark = start; mark < at; mark += 1) if (whole.charCodeAt(mark) === FIELD_END) field += 1;
    return FIELD_WEIGHTS[Math.min(field, FIELD_WEIGHTS.length - 1)] + bounds(whole, at, length, start, end);
  };

  const inAddress = (whole, at, term, start, end) => {
    const name = whole.lastIndexOf("/", end - 1) + 1;
    const inName = at >= name ? at : whole.indexOf(term, name);
    if (inName >= 0 && inName < end) return NAME_WEIGHT + bounds(whole, inName, term.length, start, end);
    const host = whole.indexOf("://", start) + 3;
    return at >= host && at < whole.indexOf("/", host) ? HOST_WEIGHT + bounds(whole, at, term.length, start, end) : PATH_WEIGHT;
  };

  const NEVER = 255;

  /**
   * How well each of the rows of *texts* {rows, words, address} fits, as numbers; 0 where a term that is wanted is
   * missing, or one that is not wanted is there. A term counts by where it is first found. null if no row fits.
   */
  const scores = ({ wanted, unwanted }, { rows, words, address }) => {
    const has = (term) => words.has(term) || address.has(term);
    if (!wanted.every(has)) return null;
    const sums = new Uint16Array(rows);
    const found = new Uint8Array(rows); // how many of the terms, in their order
    wanted.forEach((term, before) => {
      words.each(term, (row, whole, at, start, end) => {
        if (found[row] !== before) return;
        found[row] = before + 1;
        sums[row] += inWords(whole, at, term.length, start, end);
      });
      address.each(term, (row, whole, at, start, end) => {
        if (found[row] !== before) return;
        found[row] = before + 1;
        sums[row] += inAddress(whole, at, term, start, end);
      });
    });
    for (const term of unwanted) for (const lines of [words, address]) lines.each(term, (row) => (found[row] = NEVER));
    for (let row = 0; row < rows; row += 1) {
      if (found[row] !== wanted.length) sums[row] = 0;
      else if (!sums[row]) sums[row] = 1;
    }
    return sums;
  };

  gallery.search = { parsed, scores };
})();
