// "Load more" in many languages: buttons, and links that lead nowhere else.
behaviour({
  name: "more",
  dear: false,
  spends: "clicks",
  rounds: 25,
  step(page, { round, fresh }) {
    if (round > 3 && !fresh) this.idle = (this.idle || 0) + 1;
    if (this.idle > 3) return 0;
    const buttons = page
      .all(page.CLICKABLE)
      .filter((one) => page.seen(one) && !one.disabled && !page.leads_away(one) && page.says_more(one) && !page.is_harmful(one));
    // one that has been clicked comes again after those that have not
    const button = buttons.find((one) => !page.clicked.has(one)) || buttons.find((one) => round < 25 && (this.times?.get(one) || 0) < 25 && (round < 2 || fresh));
    if (!button) return 0;
    this.times ||= new WeakMap();
    this.times.set(button, (this.times.get(button) || 0) + 1);
    page.click(button);
    return 1;
  },
});
