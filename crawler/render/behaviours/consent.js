// Banners that ask for consent, and stand before the page or keep it from beginning: refused, or else closed; agreed
// to only where there is no other button at all, as with questions for one's age.
behaviour({
  name: "consent",
  dear: false,
  spends: "clicks",
  rounds: 2,
  step(page) {
    const { words } = page;
    const asks = page
      .all('[role="dialog"], [role="alertdialog"], dialog[open], [aria-modal="true"], [id*="cookie" i], [class*="cookie" i], [id*="consent" i], [class*="consent" i], [id*="gdpr" i], [class*="gdpr" i], [class*="banner" i], [class*="overlay" i], [class*="modal" i]')
      .slice(0, 200)
      .filter((box) => page.seen(box))
      .filter((box) => {
        const text = page.plain(page.text_in(box, 3000));
        return words.consent.some((word) => page.has_word(text, word));
      });
    for (const box of asks) {
      const buttons = page
        .all("button, [role='button'], a, input[type='button'], input[type='submit']", box)
        .slice(0, 200)
        .filter((button) => page.seen(button) && !page.clicked.has(button) && !page.leads_away(button) && !page.says(page.called(button), words.never));
      for (const kind of ["refuse", "close", "accept"]) {
        const button = buttons.find((one) => page.says(page.called(one), words[kind]));
        if (button) {
          page.click(button);
          return 1;
        }
      }
    }
    return 0;
  },
});
