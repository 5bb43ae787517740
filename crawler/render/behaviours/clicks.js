// Everything that can be clicked and does not lead away: tabs, accordions, thumbnails, light boxes, routes of scripts.
behaviour({
  name: "clicks",
  dear: true,
  spends: "clicks",
  rounds: 60,
  step(page, { fresh }) {
    this.by_kind ||= new Map();
    // of a hundred things of one kind that bring nothing, a few tell about all
    const kind = (one) => `${one.tagName} ${one.className?.baseVal ?? one.className} ${one.getAttribute("role")}`;
    if (this.last) {
      const [tried, brought] = this.by_kind.get(this.last) || [0, 0];
      this.by_kind.set(this.last, [tried + 1, brought + (fresh > 0)]);
    }
    const points = (one) => getComputedStyle(one).cursor === "pointer";
    const open = page
      .all(`${page.CLICKABLE}, img, figure, li, span, div[class], picture, svg`)
      .filter((one) => !page.clicked.has(one) && page.seen(one) && (one.matches(page.CLICKABLE) || points(one)))
      .filter((one) => !one.disabled && !page.leads_away(one) && !page.is_harmful(one))
      .filter((one) => !one.closest("form") || one.type === "button" || one.getAttribute("role"));
    const next = open.find((one) => {
      const [tried, brought] = this.by_kind.get(kind(one)) || [0, 0];
      return tried < 6 || brought > 0;
    });
    if (!next) return 0;
    this.last = kind(next);
    page.click(next);
    return 1;
  },
});

// Arrow keys, for what a click has opened; and Escape, to be back where it was.
behaviour({
  name: "keys",
  dear: true,
  spends: "clicks",
  rounds: 12,
  step(page, { round, fresh }) {
    if (round > 2 && !fresh) return 0;
    page.press("ArrowRight");
    return 1;
  },
});
