// Everything that can be clicked and does not lead away: tabs, accordions, thumbnails, routes of scripts. What a click
// has opened, as light boxes do, is looked through by its arrow, or by the arrow key, for as long as that brings pictures.
behaviour({
  name: "clicks",
  dear: true,
  spends: "clicks",
  rounds: 80,
  async step(page, { fresh }) {
    this.by_kind ||= new Map();
    const { kind } = page;
    this.in_vain ||= new Map();
    if (this.last) {
      const [tried, brought] = this.by_kind.get(this.last) || [0, 0];
      this.by_kind.set(this.last, [tried + 1, brought + (fresh > 0)]);
      [this.opener, this.last] = [this.last, ""];
      this.idle = 0;
      this.opened = true;
      this.brought = fresh > 0;
      this.leafed = false;
    } else if (this.opened) {
      this.idle = fresh ? 0 : this.idle + 1;
      this.leafed ||= fresh > 0;
    }
    if (this.opened) {
      const arrow = page.arrows().find((one) => !this.before.has(one));
      // What has been leafed through in vain twice has nothing to leaf through: each time takes three seconds, and of ten
      // names with a picture each there was time for eight.
      const is_dull = !arrow && !this.leafed && (this.in_vain.get(this.opener) || 0) >= 2;
      // it may take a while to open; the next pictures are often there before they are shown
      if (this.idle < 4 && !is_dull && (this.brought || arrow)) {
        if (arrow) page.click(arrow);
        else page.press("ArrowRight");
        await page.sleep(250); // while one slides out, many do not listen
        return 1;
      }
      this.opened = false;
      if (this.brought && !is_dull) this.in_vain.set(this.opener, this.leafed ? 0 : (this.in_vain.get(this.opener) || 0) + 1);
      page.press("Escape");
    }
    const points = (one) => getComputedStyle(one).cursor === "pointer";
    const is_part = (one) => one.clientWidth * one.clientHeight < 0.5 * innerWidth * innerHeight;
    const listens = [...page.listening].filter((one) => one.isConnected && one.matches && is_part(one));
    const candidates = page
      .all(`${page.CLICKABLE}, img, figure, li, span, div[class], picture, svg`)
      .filter((one) => one.matches(page.CLICKABLE) || one.matches("img") || points(one));
    // parts of a drawing, as the regions of a map are
    const parts = page.all("svg *").slice(0, 300).filter((one) => points(one) && !points(one.parentElement));
    const done = this.replaced(page);
    const next = [...new Set([...candidates, ...parts, ...listens])]
      .filter((one) => !page.clicked.has(one) && page.seen(one))
      .filter((one) => !done(one))
      .filter((one) => !one.disabled && !page.leads_away(one) && !page.is_harmful(one))
      .filter((one) => !one.closest("form") || one.type === "button" || one.getAttribute("role"))
      .find((one) => {
        const [tried, brought] = this.by_kind.get(kind(one)) || [0, 0];
        return tried < 6 || brought > 0;
      });
    if (!next) return 0;
    this.before = new Set(page.arrows());
    this.last = kind(next);
    this.made_of.push([page.name(next), next]);
    page.click(next);
    return 1;
  },
  // Whether an element stands in the place of one that was clicked and has been thrown away: where a script makes its whole
  // view anew at each click, "2" was clicked for ever, and "3" never.
  replaced(page) {
    this.made_of ||= [];
    const times = new Map(), kinds = new Set();
    for (const [name, one] of this.made_of) {
      if (one.isConnected) continue;
      times.set(name, (times.get(name) || 0) + 1);
      kinds.add(page.kind(one));
    }
    return (one) => {
      const name = kinds.has(page.kind(one)) ? page.name(one) : ""; // what it is called is dear to ask of thousands
      const left = times.get(name) || 0;
      if (left) times.set(name, left - 1);
      return left > 0;
    };
  },
});

// A show that goes on by itself: it is looked at for as long as it brings pictures.
behaviour({
  name: "watch",
  dear: true,
  rounds: 12,
  async step(page, { round, fresh }) {
    if (round === 0 && kept.turns() < 2) return 0; // no picture has had another in its place, and that another
    this.idle = fresh || round === 0 ? 0 : this.idle + 1;
    if (this.idle > 0) return 0;
    await page.sleep(1000);
    return 1;
  },
});
