// Carousels: what is called "next", or is drawn as an arrow to the right, for as long as that brings pictures.
behaviour({
  name: "next",
  dear: false,
  spends: "clicks",
  rounds: 30,
  step(page, { fresh }) {
    this.tried ||= new Map();
    const is_arrow = (one) =>
      page.says(page.called(one), page.words.next, { exactly: true }) ||
      /(^|[-_\s])(next|arrow-?right|right-?arrow|forward)([-_\s]|$)/i.test(`${one.className?.baseVal ?? one.className} ${one.id} ${one.getAttribute("data-action") || ""}`);
    if (this.last && fresh) this.tried.set(this.last, 0);
    const arrows = page.all(`${page.CLICKABLE}, [class*="next" i], [class*="arrow" i]`).filter(
      (one) => !one.disabled && one.getAttribute("aria-disabled") !== "true" && !/(^|[-_\s])disabled/i.test(one.className?.baseVal ?? one.className ?? "") &&
        page.seen(one) && is_arrow(one) && !page.leads_away(one) && !page.is_harmful(one),
    );
    // an arrow that has brought nothing for three times in a row has shown all there is
    this.last = arrows.find((one) => (this.tried.get(one) || 0) < 3);
    if (!this.last) return 0;
    this.tried.set(this.last, (this.tried.get(this.last) || 0) + 1);
    page.click(this.last);
    return 1;
  },
});
