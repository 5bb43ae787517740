// Down by screens until the end, as far as it goes: lazy loaders and feeds wait for that. At the end the renderer waits
// for the network, and goes on where the page has grown meanwhile.
behaviour({
  name: "scroll",
  dear: false,
  spends: "scrolls",
  rounds: 40,
  async step(page, { left }) {
    const box = page.scroller();
    let screens = 0;
    for (let still = 0; still < 3 && screens < Math.min(8, left); ) {
      const before = box.scrollTop, height = box.scrollHeight;
      box.scrollBy({ top: (box.clientHeight || innerHeight) * 0.9, behavior: "instant" });
      box.dispatchEvent(new Event("scroll"));
      await page.shown();
      await page.sleep(30);
      const stays = box.scrollTop === before && box.scrollHeight === height;
      still = stays ? still + 1 : 0;
      if (!stays) screens += 1;
    }
    return screens;
  },
});

// Once more from the top, slowly: for pictures that come only after a while in view, and lists that keep only what is.
behaviour({
  name: "slow-scroll",
  dear: true,
  spends: "scrolls",
  rounds: 40,
  async step(page, { round, left }) {
    const box = page.scroller();
    if (round === 0) box.scrollTo({ top: 0, behavior: "instant" });
    let steps = 0;
    for (; steps < Math.min(6, 2 * left); steps += 1) {
      await page.shown();
      await page.sleep(270);
      const before = box.scrollTop;
      box.scrollBy({ top: (box.clientHeight || innerHeight) / 2, behavior: "instant" });
      if (box.scrollTop === before) break;
    }
    return Math.ceil(steps / 2);
  },
});

// Rows that are scrolled by hand, sideways; and boxes that scroll within a page that does so itself. By what they are, not
// by what they are called: rows of <figure> and of elements that a page has made up were passed over.
behaviour({
  name: "scroll-rows",
  dear: true,
  spends: "scrolls",
  rounds: 30,
  async step(page, { round, left }) {
    const AT_ONCE = 3;
    if (round === 0) this.rows = scrolled_by_hand(page);
    for (let moved = 0; this.rows.length; moved = 0) {
      const row = this.rows[0];
      // what is not on the screen is told of nothing that happens in it
      (row.ownerDocument.defaultView?.frameElement || row).scrollIntoView({ block: "center", behavior: "instant" });
      for (; moved < Math.min(AT_ONCE, left); moved += 1) {
        const [before, above] = [row.scrollLeft, row.scrollTop];
        if (row.scrollWidth > row.clientWidth + 40) row.scrollBy({ left: row.clientWidth * 0.9, behavior: "instant" });
        row.scrollBy({ top: row.clientHeight * 0.9, behavior: "instant" });
        if (row.scrollLeft === before && row.scrollTop === above) break;
        row.dispatchEvent(new Event("scroll"));
        await page.shown();
        await page.sleep(60);
      }
      if (moved) return moved;
      this.rows.shift();
    }
    return 0;
  },
});

function scrolled_by_hand(page) {
  const MOST = 20;
  const found = [], known = page.scroller();
  for (const one of page.all("*")) {
    const is_wide = one.scrollWidth > one.clientWidth + 40, is_high = one.scrollHeight > one.clientHeight + 40;
    if (found.length >= MOST) break;
    if ((!is_wide && !is_high) || one.clientWidth < 100 || one.clientHeight < 50 || one === known || !page.seen(one)) continue;
    const { overflowX, overflowY } = getComputedStyle(one);
    const is_frame = one === one.ownerDocument.scrollingElement && overflowY !== "hidden";
    if (is_frame || (is_wide && /auto|scroll/.test(overflowX)) || (is_high && /auto|scroll/.test(overflowY))) found.push(one);
  }
  return found;
}
