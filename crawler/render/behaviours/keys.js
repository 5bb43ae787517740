// Arrow keys, for what is leafed through by them alone.
behaviour({
  name: "keys",
  dear: true,
  spends: "clicks",
  rounds: 30,
  step(page, { round, fresh }) {
    if (round > 2 && !fresh) return 0;
    page.press("ArrowRight");
    return 1;
  },
});
