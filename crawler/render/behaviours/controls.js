// What is set, turned, pointed at or dragged rather than clicked. None of it is on most pages, and costs nothing there.
// A form that is filled in by writing is somebody's own; one of choices alone is a way to look at things.
const first_in = genuine("querySelector");
const is_written = (form) => !!form && !!first_in(form, "textarea, input:not([type]), input:is([type=text], [type=password], [type=email], [type=tel], [type=file])");

// The first of *ways* that has not been in vain three times in a row; *last* is the one before, which has brought *fresh*.
function next_way(ways, last, fresh) {
  if (last) last.idle = fresh ? 0 : last.idle + 1;
  return ways.find(({ idle, at = 0, count = 1 }) => idle < 3 && at < count);
}

// Choices: each colour of a product, each frame of what is turned by a slider.
behaviour({
  name: "choices",
  dear: true,
  spends: "clicks",
  rounds: 60,
  async step(page, { round, fresh }) {
    if (round === 0) this.ways = choices_of(page);
    const way = (this.last = next_way(this.ways, this.last, fresh));
    if (!way) return 0;
    way.at += 1;
    await way.set(way.at);
    return 1;
  },
});

function choices_of(page) {
  const MOST_CONTROLS = 12, MOST_CHOICES = 40;
  const value = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
  const tell = (one) => ["input", "change"].forEach((what) => one.dispatchEvent(new Event(what, { bubbles: true, composed: true })));
  const ways = [];
  const groups = new Map();
  for (const one of page.all("input[type=radio]").slice(0, MOST_CONTROLS * MOST_CHOICES)) {
    if (one.disabled || is_written(one.closest("form")) || [one, ...one.labels].some((it) => page.is_harmful(it))) continue;
    const group = groups.get(one.name) || [];
    groups.set(one.name, [...group, one]);
  }
  for (const group of [...groups.values()].slice(0, MOST_CONTROLS)) {
    // often its label alone is seen
    ways.push({ at: 0, idle: 0, count: Math.min(group.length, MOST_CHOICES), set: (at) => page.click(group[at % group.length]) });
  }
  for (const one of page.all("select, input[type=range], [role=combobox], [aria-haspopup=listbox]").slice(0, MOST_CONTROLS)) {
    if (one.disabled || is_written(one.closest("form")) || page.is_harmful(one)) continue;
    const way = { at: 0, idle: 0 };
    if (one.localName === "select") {
      if (one.multiple || one.options.length > MOST_CHOICES) continue;
      way.count = one.options.length;
      way.set = (at) => {
        one.selectedIndex = at % one.options.length;
        tell(one);
      };
    } else if (one.type === "range") {
      const low = Number(one.min || 0), high = Number(one.max || 100), step = Number(one.step) || 1;
      way.count = Math.min(MOST_CHOICES, Math.round((high - low) / step));
      way.set = (at) => {
        value.set.call(one, String(low + step * Math.round((at * (high - low)) / step / way.count))); // past what a framework watches
        tell(one);
      };
    } else {
      way.count = MOST_CHOICES;
      way.set = (at) => {
        const options = () => page.all("[role=option]").filter((it) => page.seen(it));
        if (!options().length) page.click(one);
        return page.sleep(options().length ? 0 : 250).then(() => { // many slide open
          const option = options()[at - 1];
          if (option && !page.leads_away(option) && !page.is_harmful(option)) page.click(option);
          else way.at = way.count;
        });
      };
    }
    ways.push(way);
  }
  return ways;
}

// What shows a picture when the mouse is over it: menus, cards, names. Also links that lead away, for nothing is clicked;
// some at once, for nobody asks how long the mouse has stayed.
behaviour({
  name: "hover",
  dear: true,
  spends: "clicks",
  rounds: 20,
  async step(page, { fresh }) {
    const AT_ONCE = 5, MOST_KINDS = 12;
    this.done ||= new Map();
    if (this.last) this.done.set(this.last, fresh > 0 ? "pays" : "vain");
    this.pointed ||= new WeakSet();
    if (this.done.size >= MOST_KINDS || !page.over.size) return 0;
    const waiting = [...page.over].filter((one) => one.isConnected && one.matches && one.clientHeight < innerHeight / 2)
      .concat(page.all("a, li, [aria-haspopup], [aria-describedby], img, b, abbr, figure, [class*=card i], [class*=menu i] *, [class*=hover i], [class*=zoom i]"))
      .filter((one) => !this.pointed.has(one) && this.done.get(page.kind(one)) !== "vain" && page.seen(one));
    if (!waiting.length) return 0;
    this.last = page.kind(waiting[0]);
    const some = waiting.filter((one) => page.kind(one) === this.last).slice(0, AT_ONCE);
    for (const one of some) {
      this.pointed.add(one);
      page.point(one);
      await page.sleep(40);
    }
    return 1;
  },
});

// What is turned by dragging alone: it looks as if it could be grabbed.
behaviour({
  name: "drag",
  dear: true,
  spends: "clicks",
  rounds: 40,
  async step(page, { round, fresh }) {
    const MOST = 6;
    if (round === 0) {
      const can_be = (one) => one.clientWidth > 100 && one.clientHeight > 60 && /grab|ew-resize|col-resize|all-scroll/.test(getComputedStyle(one).cursor);
      const found = page.all("div, section, ul, figure, canvas, [class*=drag i]:not([draggable])").filter((one) => page.seen(one) && can_be(one));
      this.things = found.filter((one) => !found.some((other) => other !== one && other.contains(one))).slice(0, MOST).map((one) => ({ one, idle: 0 }));
    }
    this.last = next_way(this.things, this.last, fresh);
    if (!this.last) return 0;
    this.last.one.scrollIntoView({ block: "center", behavior: "instant" });
    await page.drag(this.last.one);
    return 1;
  },
});
