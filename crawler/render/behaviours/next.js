// Carousels: what is called "next", or is drawn as an arrow to the right, for as long as that brings pictures.
behaviour({
  name: "next",
  dear: false,
  spends: "clicks",
  rounds: 40,
  step(page, { fresh }) {
    this.tried ||= new Map();
    if (this.last && fresh) this.tried.set(this.last, 0);
    // an arrow that has brought nothing for three times in a row has shown all there is
    this.last = page.arrows().find((one) => (this.tried.get(one) || 0) < 3);
    if (!this.last) return 0;
    this.tried.set(this.last, (this.tried.get(this.last) || 0) + 1);
    page.click(this.last);
    return 1;
  },
});
