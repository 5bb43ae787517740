// "Load more" in many languages: buttons, and links that lead nowhere else.
behaviour({
  name: "more",
  dear: false,
  spends: "clicks",
  rounds: 25,
  step(page, { round, fresh }) {
    if (round > 3 && !fresh) this.idle = (this.idle || 0) + 1;
    if (this.idle > 3) return 0;
    // a bare <div> as well, where that is all it says: who listens may be the document
    const is_bare = (one) => !one.childElementCount && one.textContent.length <= 40 && page.says(page.called(one), page.words.more, { exactly: true });
    const buttons = page
      .all(page.CLICKABLE)
      .concat(page.all("div, span, p").filter(is_bare))
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
