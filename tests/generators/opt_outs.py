"""docs/opt-outs.md, made of crawler/opt_outs/purposes.py: ``python -m tests.generators.opt_outs``.

test_purposes.py compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from crawler.models import MAX_OPT_OUT_CHARS, MAX_OPT_OUTS, Purpose
from crawler.opt_outs.purposes import SIGNALS

PAGE = Path(__file__).parents[2] / "docs" / "opt-outs.md"
_TEXT = f"""\
# What owners say of the use of their images, and what comes of it

Made of `crawler/opt_outs/purposes.py` by `python -m tests.generators.opt_outs`.

Owners say in many ways how their images may be used. Most of these speak of one use: to train models, to be found by a
search engine. So it matters what a crawl is for: `--purpose archive` (the default), `search` or `train`.

- **archive** obeys what forbids images altogether. What speaks of search or of training is recorded.
- **search** obeys what forbids search and data mining, too.
- **train** obeys every no.

An image that is not taken is `rejected`, with the signal as its reason. Its detail has the text, the place and the
switch that would take it all the same: `--no-obey-SIGNAL`. `inspect DIR --opt-outs` sums up by signal and host.

**Recorded** means: the record of the image has it in `opt_outs`, with the signal, the place, the text as it stands
there (up to {MAX_OPT_OUT_CHARS} characters), and in `forbids` the purposes that it says no to. So a data set can be
filtered later: of `export DIR --format jsonl`, `jq 'select(all(.opt_outs[].forbids[]?; . != "train"))'` leaves what
nobody has said no to training of. Up to {MAX_OPT_OUTS} are kept of an image; `more_opt_outs` counts the others, and
metadata too large to be read. What allows a use is recorded as well.
"""
_MORE = """\

## Where it is read, and what is not

- **robots.txt**: the lines that apply to the image's URL, on its own host; with `--no-obey-robots-txt` none is read. Of
  an image that is redirected, the hosts on the way are heard as well.
- **tdmrep.json** costs each host one request. So it is asked for once, and only where it may decide (`search`,
  `train`), or where records are to have it: `--record-tdmrep`. The first rule that matches decides. A host that answers
  with an error has none; one that is not to be had, or answers 429 or 503, is asked again before its images are. An
  image that the file reserves is not asked for: a header that would allow it is not seen.
- **Headers** are those of the image's own answer. `noindex`, `noimageindex`, `noai`, `noimageai` and TDM reservations
  of a page, by header or `<meta>`, keep out the images on it, and are counted as left out; `Content-Usage` speaks of
  its own message, so that of a page does not. What a page says and is not obeyed is not in the records of its images.
- **XMP** and **Content Credentials** are looked for where each format keeps them, up to 1 MiB of each: JPEG, PNG, WebP,
  GIF, TIFF, AVIF, HEIC and SVG. Signatures are **not** verified: who forges an assertion forbids an image, and takes
  none. Credentials that lie elsewhere (a side file, a URL) are not fetched, compressed ones not opened. Of several
  manifests the last is the image's own; what those of its ingredients say is recorded, and forbids nothing.
- **RSL licenses** are recorded, not read.
- **Once more**: with another purpose, images that are saved stay so. `--refresh` hears each owner again: what forbids
  an image by now is marked (`inspect --changes`), and its file is kept until you remove it.
- What can't be parsed says nothing, as each specification wants it; words that are not in the table forbid nothing.
"""


def page() -> str:
    return _TEXT + "\n".join(_lines()) + "\n" + _MORE


def _lines() -> Iterator[str]:
    yield ""
    yield f"| signal | says | {' | '.join(Purpose)} |"
    yield f"|---|---|{'---|' * len(Purpose)}"
    for name, signal in SIGNALS.items():
        rows: dict[tuple[Purpose, ...], list[str]] = {}
        for word, forbidden in signal.words.items():
            rows.setdefault(forbidden, []).append(f"`{word}`")
        for forbidden, words in (rows or {(): ["a URL"]}).items():
            means = " | ".join("**obeyed**" if purpose in forbidden else "recorded" for purpose in Purpose)
            yield f"| `{name}` | {', '.join(words)} | {means} |"
    yield ""
    yield "| signal | where | who defines it | to take all the same |"
    yield "|---|---|---|---|"
    for name, signal in SIGNALS.items():
        switch = f"`--no-obey-{name}`" if signal.words else ""
        yield f"| `{name}` | {signal.where} | {signal.source} | {switch} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
