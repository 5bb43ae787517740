// Everything that can be clicked and does not lead away: tabs, accordions, thumbnails, routes of scripts. What a click
// has opened, as light boxes do, is looked through by its arrow, or by the arrow key, for as long as that brings pictures.
behaviour({
  name: "clicks",
  dear: true,
  spends: "clicks",
  rounds: 80,
  async step(page, { fresh }) {
    this.by_kind ||= new Map();
    // of a hundred things of one kind that bring nothing, a few tell about all
    const kind = (one) => `${one.tagName} ${one.className?.baseVal ?? one.className} ${one.getAttribute("role")}`;
    if (this.last) {
      const [tried, brought] = this.by_kind.get(this.last) || [0, 0];
      this.by_kind.set(this.last, [tried + 1, brought + (fresh > 0)]);
      this.last = "";
      this.idle = 0;
      this.opened = true;
      this.brought = fresh > 0;
    } else if (this.opened) {
      this.idle = fresh ? 0 : this.idle + 1;
    }
    if (this.opened) {
      const arrow = page.arrows().find((one) => !this.before.has(one));
      // it may take a while to open; the next pictures are often there before they are shown
      if (this.idle < 4 && (this.brought || arrow)) {
        if (arrow) page.click(arrow);
        else page.press("ArrowRight");
        await page.sleep(250); // while one slides out, many do not listen
        return 1;
      }
      this.opened = false;
      page.press("Escape");
    }
    const points = (one) => getComputedStyle(one).cursor === "pointer";
    const is_part = (one) => one.clientWidth * one.clientHeight < 0.5 * innerWidth * innerHeight;
    const listens = [...page.listening].filter((one) => one.isConnected && one.matches && is_part(one));
    const candidates = page
      .all(`${page.CLICKABLE}, img, figure, li, span, div[class], picture, svg`)
      .filter((one) => one.matches(page.CLICKABLE) || one.matches("img") || points(one));
    const next = [...new Set([...candidates, ...listens])]
      .filter((one) => !page.clicked.has(one) && page.seen(one))
      .filter((one) => !one.disabled && !page.leads_away(one) && !page.is_harmful(one))
      .filter((one) => !one.closest("form") || one.type === "button" || one.getAttribute("role"))
      .find((one) => {
        const [tried, brought] = this.by_kind.get(kind(one)) || [0, 0];
        return tried < 6 || brought > 0;
      });
    if (!next) return 0;
    this.before = new Set(page.arrows());
    this.last = kind(next);
    page.click(next);
    return 1;
  },
});
