// How the renderer speaks with the behaviours; the last of the files that are put together.
const run = {
  list: () => behaviours.map(({ name, dear, spends, rounds }) => ({ name, dear: !!dear, spends: spends || "", rounds: rounds || 1 })),
  step: async (number, told) => Number(await behaviours[number].step(page, told)) || 0,
  sizes: (urls) => sizes_wanted(urls),
  kept: () => ({ html: kept.html(), missed: kept.missed() }),
  drawn: (limits) => drawn(limits),
  markup: () => markup(),
  framed: () => framed(),
};
globalThis.image_crawler = run;
