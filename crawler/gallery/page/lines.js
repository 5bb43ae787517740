// Many texts as two long ones: a string of its own for each of 100,000 names would take twice the memory.
"use strict";

(() => {
  const END = "\u001e"; // record separator
  const isWide = /[^\x00-\xff]/; // kept with two bytes a letter, so apart from the others

  class Lines {
    /** Of *texts*, or of one text that has END between its rows. END in one of several becomes a space. */
    constructor(texts) {
      if (typeof texts === "string") {
        if (!isWide.test(texts)) {
          this.take(texts);
          return;
        }
        texts = texts.split(END);
      }
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

    /** These texts after *change*, which keeps END: of all at once, where that leaves each where it stands. */
    changed(change) {
      const joined = this.joined.map(change);
      if (joined.every((text, kind) => text === this.joined[kind])) return this;
      const hasLengths = joined.every((text, kind) => text.length === this.joined[kind].length);
      // A letter that is several when it is folded moves the rest; one of another width is no matter.
      if (!hasLengths) return new Lines(Array.from(this.ends, (_, row) => change(this.get(row))));
      const made = Object.create(Lines.prototype);
      return Object.assign(made, { ends: this.ends, starts: this.starts, wide: this.wide, joined });
    }

    /** The whole as it is, without a copy. */
    take(text) {
      const ends = [];
      for (let at = text.indexOf(END); at >= 0; at = text.indexOf(END, at + 1)) ends.push(at);
      ends.push(text.length);
      this.ends = Uint32Array.from(ends);
      this.starts = Uint32Array.from(ends, (_, row) => (row ? ends[row - 1] + 1 : 0));
      this.wide = new Uint8Array(ends.length);
      this.joined = [text, ""];
    }

    get length() {
      return this.ends.length;
    }

    get(row) {
      return this.joined[this.wide[row]].slice(this.starts[row], this.ends[row]);
    }

    /** Call *found* with each row that has *term*, and with where it is first found: (row, whole, at, start, end). */
    each(term, found) {
      const { starts, ends, wide } = this;
      this.joined.forEach((whole, kind) => {
        let row = 0;
        for (let at = whole.indexOf(term); at >= 0; at = whole.indexOf(term, ends[row - 1])) {
          while (wide[row] !== kind || ends[row] < at) row += 1;
          found(row, whole, at, starts[row], ends[row]);
          row += 1;
        }
      });
    }

    /** Whether any of the texts has *term*. */
    has(term) {
      return this.joined[0].includes(term) || this.joined[1].includes(term);
    }
  }

  gallery.Lines = Lines;
})();
