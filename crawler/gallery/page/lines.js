// Many texts as two long ones: a string of its own for each of 100,000 names would take twice the memory.
"use strict";

(() => {
  const END = "\u001e"; // record separator
  const isWide = /[^\x00-\xff]/; // kept with two bytes a letter, so apart from the others

  class Lines {
    /** *texts* as they come; END in one of them, which nothing but malice puts there, becomes a space. */
    constructor(texts) {
      this.ends = new Uint32Array(texts.length);
      this.starts = new Uint32Array(texts.length);
      this.wide = new Uint8Array(texts.length);
      const parts = [[], []];
      const lengths = [0, 0];
      texts.forEach((given, row) => {
        const text = given.includes(END) ? given.replaceAll(END, " ") : given;
        const kind = isWide.test(text) ? 1 : 0;
        this.wide[row] = kind;
        this.starts[row] = lengths[kind];
        this.ends[row] = lengths[kind] + text.length;
        lengths[kind] += text.length + 1;
        parts[kind].push(text);
      });
      this.joined = parts.map((some) => some.join(END));
    }

    get(row) {
      return this.joined[this.wide[row]].slice(this.starts[row], this.ends[row]);
    }

    /** Whether any of the texts has *term*. */
    has(term) {
      return this.joined[0].includes(term) || this.joined[1].includes(term);
    }

    isSame(other) {
      return this.joined[0] === other.joined[0] && this.joined[1] === other.joined[1];
    }
  }

  gallery.Lines = Lines;
})();
