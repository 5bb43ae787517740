// Many texts as two long ones: a string of its own for each of 100,000 names would take twice the memory.
"use strict";

(() => {
  const END = "\u001e"; // record separator
  const isWide = /[^\x00-\xff]/; // kept with two bytes a letter, so apart from the others

  /**
   * A copy of a long text as the document keeps it: outside of the heap of scripts, whose part for new things would be moved
   * twice and grow with it, by 20 MiB for the folded words of 100,000 pictures.
   */
  const outside = (text) => document.createTextNode(text).data;

  class Lines {
    /** Of two texts, *joined*, with END between their rows; *second* is 1 for each row that is of the second one. */
    constructor(joined, second) {
      const rows = second.length;
      this.joined = joined;
      this.second = second;
      this.starts = new Uint32Array(rows);
      this.ends = new Uint32Array(rows);
      const next = [0, 0];
      for (let row = 0; row < rows; row += 1) {
        const kind = second[row];
        const end = joined[kind].indexOf(END, next[kind]);
        this.starts[row] = Math.min(next[kind], joined[kind].length);
        this.ends[row] = end < 0 ? joined[kind].length : end;
        next[kind] = this.ends[row] + 1;
      }
    }

    /** Of a list of texts. END in one of them becomes a space. */
    static of(texts) {
      const wide = new Uint8Array(texts.length);
      const parts = [[], []];
      texts.forEach((given, row) => {
        const text = given.includes(END) ? given.replaceAll(END, " ") : given;
        wide[row] = isWide.test(text) ? 1 : 0;
        parts[wide[row]].push(text);
      });
      return new Lines(parts.map((some) => some.join(END)), wide);
    }

    /**
     * Of a column of *rows* texts as it is written, without a copy: *source* is a function that has them, and *apart*
     * those that can't stand there: [texts, their places]. What is missing is empty.
     */
    static written(source, apart, rows) {
      const isApart = new Uint8Array(rows);
      // the text in its quotes is a part of the script's own text, which the browser keeps anyway: nothing is twice
      const plain = typeof source === "function" ? String(source).slice('()=>"'.length, -1) : "";
      if (!Array.isArray(apart) || typeof apart[0] !== "string" || !Array.isArray(apart[1])) return new Lines([plain, ""], isApart);
      for (const row of apart[1]) isApart[row] = 1;
      return new Lines([plain, apart[0]], isApart);
    }

    /** These texts after *change*, which keeps END: of all at once, where that leaves each where it stands. */
    changed(change) {
      let isSame = true;
      const joined = this.joined.map((text) => {
        const made = change(text);
        if (made === text) return text;
        isSame = false;
        return outside(made);
      });
      if (isSame) return this;
      const hasLengths = joined.every((text, kind) => text.length === this.joined[kind].length);
      // A letter that is several when it is folded moves the rest; one of another width is no matter.
      if (!hasLengths) return Lines.of(Array.from(this.ends, (_, row) => change(this.get(row))));
      const made = Object.create(Lines.prototype);
      return Object.assign(made, { ends: this.ends, starts: this.starts, second: this.second, joined });
    }

    get length() {
      return this.ends.length;
    }

    get(row) {
      return this.joined[this.second[row]].slice(this.starts[row], this.ends[row]);
    }

    /** Write into *places* where *term* is first found in each of the rows that are *needed* (1), -1 where it is not. */
    firsts(term, places, needed) {
      const { starts, ends, second, joined, length } = this;
      places.fill(-1, 0, length);
      for (let kind = 0; kind < joined.length; kind += 1) {
        const whole = joined[kind];
        for (let row = 0; row < length; row += 1) {
          if (second[row] !== kind || !needed[row]) continue;
          const at = whole.indexOf(term, starts[row]);
          if (at < 0) break;
          while (row < length && (second[row] !== kind || ends[row] < at)) row += 1;
          if (row < length && needed[row]) places[row] = at;
        }
      }
    }

    /** Whether any of the texts has *term*. */
    has(term) {
      return this.joined[0].includes(term) || this.joined[1].includes(term);
    }
  }

  gallery.Lines = Lines;
})();
