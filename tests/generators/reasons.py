"""docs/reasons.md, made of crawler/errors: ``python -m tests.generators.reasons``.

test_errors.py compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from crawler.errors import ADVICE, LEFT_OUT, REASONS, FetchError, meaning

PAGE = Path(__file__).parents[2] / "docs" / "reasons.md"


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Why an image is not there"
    yield ""
    yield (
        "Made of `crawler/errors` by `python -m tests.generators.reasons`."
        " Both lists are closed: there are no other words."
    )
    yield ""
    yield "## Reasons: why a URL that was taken on gave nothing"
    yield ""
    yield "Each is the `reason` of a record. `inspect DIR --failures` lists them, `explain DIR URL` shows one."
    yield "Where it says so, a worker tries again within seconds, and the queue later, until no attempts are left."
    yield ""
    yield "`DIR` is the crawl's folder. *The same command* is that which crawled: it takes up what new options let in."
    yield ""
    yield "| reason | status | tried again | what it means | what to do |"
    yield "|---|---|---|---|---|"
    for slug, error in sorted(REASONS.items()):
        status = "failed" if issubclass(error, FetchError) else "rejected"
        yield f"| `{slug}` | {status} | {'yes' if error.retryable else ''} | {meaning(slug)} | {_typed(ADVICE[slug])} |"
    yield ""
    yield "## Left out: what a page offers and was not taken on"
    yield ""
    yield "These have no record of their own. The summary and `inspect` count them; `explain DIR SLUG` names them."
    yield ""
    yield "| slug | what was left out | let in by |"
    yield "|---|---|---|"
    for slug, left_out in LEFT_OUT.items():
        yield f"| `{slug}` | {left_out.meaning} | {f'`{left_out.option}`' if left_out.option else ''} |"


def _typed(advice: str) -> str:
    """*advice* as a sentence, with its commands and options as code."""
    return (
        re.sub(r"image-crawler retry DIR(?: --reason [a-z-]+| --renders)?|--[a-z-]+", r"`\g<0>`", advice)
        + "."
    )


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
