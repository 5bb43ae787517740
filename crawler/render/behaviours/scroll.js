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

// Sideways, in rows that are scrolled by hand.
behaviour({
  name: "scroll-rows",
  dear: true,
  spends: "scrolls",
  rounds: 20,
  async step(page, { left }) {
    let moved = 0;
    for (const row of page.all("div, ul, ol, section, nav")) {
      if (moved >= left) break;
      if (row.scrollWidth > row.clientWidth + 40 && row.clientWidth > 100 && page.seen(row) && /auto|scroll/.test(getComputedStyle(row).overflowX)) {
        const before = row.scrollLeft;
        row.scrollBy({ left: row.clientWidth * 0.9, behavior: "instant" });
        moved += row.scrollLeft !== before;
      }
    }
    await page.shown();
    await page.sleep(120);
    return moved;
  },
});
