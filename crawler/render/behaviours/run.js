// How the renderer speaks with the behaviours; the last of the files that are put together.
let first_place = 0;
const place = () => globalThis.navigation?.currentEntry?.index ?? 0;
const run = {
  list: () => (first_place = place(), behaviours.map(({ name, dear, spends, rounds }) => ({ name, dear: !!dear, spends: spends || "", rounds: rounds || 1 }))),
  step: async (number, told) => {
    const before = kept.changes();
    const did = Number(await behaviours[number].step(page, told)) || 0;
    if (did > 0) await page.sleep(60);
    return [did, kept.changes() - before];
  },
  listens: page.listens,
  // To where the page was at first: no further, for the entry before that is not the page's.
  back: () => { if (place() > first_place) history.go(first_place - place()); },
  sizes: (urls) => sizes_wanted(urls),
  kept: () => ({ html: kept.html(), missed: kept.missed() }),
  drawn: (limits) => drawn(limits),
  markup: (most_chars) => markup(most_chars),
  framed: () => framed(),
};
globalThis.image_crawler = run;
