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

  // Used again for each chunk and search: new ones would be garbage at each letter that is typed
  const inWordsAt = []; // for each term: where it is first found in the words of each row
  const inUrlAt = []; // ... and in the address
  let elsewhere = new Int32Array(0);
  let alive = new Uint8Array(0); // 1 for each row that may fit
  let lacking = new Uint8Array(0); // 1 for those of them whose words do not have a term

  const reserve = (rows, terms) => {
    if (rows > alive.length) {
      elsewhere = new Int32Array(rows);
      alive = new Uint8Array(rows);
      lacking = new Uint8Array(rows);
      inWordsAt.length = inUrlAt.length = 0;
    }
    while (inWordsAt.length < terms) {
      inWordsAt.push(new Int32Array(alive.length));
      inUrlAt.push(new Int32Array(alive.length));
    }
  };

  /** Find *wanted* in all rows, and mark those that have each term; returns how many these are. */
  const findAll = (wanted, { rows, words, address }) => {
    let left = rows;
    alive.fill(1, 0, rows);
    for (let term = 0; term < wanted.length && left; term += 1) {
      const inText = inWordsAt[term];
      words.firsts(wanted[term], inText, alive);
      let lack = 0;
      for (let row = 0; row < rows; row += 1) {
        lacking[row] = alive[row] && inText[row] < 0 ? 1 : 0;
        lack += lacking[row];
      }
      if (!lack) continue;
      const inUrl = inUrlAt[term];
      address.firsts(wanted[term], inUrl, lacking);
      for (let row = 0; row < rows; row += 1) {
        if (!lacking[row] || inUrl[row] >= 0) continue;
        alive[row] = 0;
        left -= 1;
      }
    }
    return left;
  };

  const dropAll = (unwanted, { rows, words, address }) => {
    for (const term of unwanted) {
      for (const lines of [words, address]) {
        lines.firsts(term, elsewhere, alive);
        for (let row = 0; row < rows; row += 1) if (elsewhere[row] >= 0) alive[row] = 0;
      }
    }
  };

  /** Add what *term* is worth to *sums*, where it counts by the place at which it is first found: words before addresses. */
  const weigh = (sums, term, inText, inUrl, { rows, words, address }) => {
    const { length } = term;
    for (let row = 0; row < rows; row += 1) {
      if (!alive[row]) continue;
      const lines = inText[row] >= 0 ? words : address;
      const whole = lines.joined[lines.second[row]];
      const start = lines.starts[row];
      const end = lines.ends[row];
      sums[row] += lines === words ? inWords(whole, inText[row], length, start, end) : inAddress(whole, inUrl[row], term, start, end);
    }
  };

  /**
   * How well each of the rows of *texts* {rows, words, address} fits, as numbers; 0 where a term that is wanted is
   * missing, or one that is not wanted is there. A term counts by where it is first found. null if no row fits, else
   * *sums*, into which they are written.
   */
  const scores = ({ wanted, unwanted }, texts, sums = new Uint16Array(texts.rows)) => {
    const { rows, words, address } = texts;
    for (const term of wanted) if (!words.has(term) && !address.has(term)) return null;
    reserve(rows, wanted.length);
    if (!findAll(wanted, texts)) return null;
    dropAll(unwanted, texts);
    sums.fill(0);
    if (!wanted.length) sums.set(alive.subarray(0, rows));
    else wanted.forEach((term, at) => weigh(sums, term, inWordsAt[at], inUrlAt[at], texts));
    return sums;
  };

  gallery.search = { parsed, scores };
})();
