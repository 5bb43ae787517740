// Arrow keys, for what is leafed through by them alone; where nothing can be scrolled the other keys and the wheel as well.
behaviour({
  name: "keys",
  dear: true,
  spends: "clicks",
  rounds: 60,
  async step(page, { round, fresh }) {
    const IN_VAIN = 2; // seven times, where something else had changed, took half of a page's time
    const is_still = () => {
      const root = document.scrollingElement || document.documentElement;
      const is_hidden = [root, document.body].some((one) => one && getComputedStyle(one).overflowY === "hidden");
      return is_hidden || root.scrollHeight <= innerHeight + 4;
    };
    this.ways ||= [" ", "ArrowRight", "wheel", "ArrowDown"].map((key) => ({ key, idle: 0 }));
    if (this.last) {
      const moves = kept.changes() > this.before, { key, idle } = this.last;
      // the wheel moves whole screens, which take their time, and do not listen meanwhile
      const cost = moves && key === "wheel" ? 0.4 : moves || key === "ArrowRight" ? 1 : IN_VAIN;
      this.last.idle = fresh ? 0 : idle + cost;
    }
    const still = is_still();
    if (round === 0 && still) {
      document.activeElement?.blur?.(); // the space bar is that of the button that was clicked last
      page.press("Home"); // arrows may have led to the end
    }
    this.last = this.ways.find(({ key, idle }) => idle < IN_VAIN && (still || key === "ArrowRight"));
    if (!this.last) return 0;
    this.before = kept.changes();
    if (this.last.key === "wheel") page.turn_wheel();
    else page.press(this.last.key);
    if (fresh) await page.sleep(200); // while one slides out, many do not listen
    return 1;
  },
});
