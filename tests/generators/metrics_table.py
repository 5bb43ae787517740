"""The table of docs/metrics.md, made of crawler/metrics/series.py: ``python -m tests.generators.metrics_table``.

tests/unit/metrics/test_papers.py compares it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from crawler.metrics.series import Kind, Told, series

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
BEGIN = "<!-- made of crawler/metrics/series.py by python -m tests.generators.metrics_table -->\n"
END = "<!-- end of what is made -->\n"


def page(before: str) -> str:
    """*before*, the page as it is, with its tables made anew."""
    head, mark, rest = before.partition(BEGIN)
    _, end, tail = rest.partition(END)
    assert mark and end, f"{PAGE} has lost its marks"  # noqa: PT018
    return head + mark + "\n".join(_lines()) + "\n" + end + tail


_HEADS = {
    Told.QUEUE: "Of the crawl, told by `crawl`, `serve` and `collect`:",
    Told.WORKERS: "Of the workers of this process, told by `crawl`, `serve`, `work`, `harvest` and `render`:",
    Told.ALL: "Of the process, told by all:",
}


def _lines() -> Iterator[str]:
    for told, head in _HEADS.items():
        yield from ("", head, "", "| series | kind | labels | |", "|---|---|---|---|")
        for one in series():
            if one.told is told:
                labels = ", ".join(f"`{label}`" for label in one.labels)
                means = one.means.replace("|", "\\|")
                if one.kind is Kind.HISTOGRAM:
                    bounds = f"{one.bounds[0]:g} s to {one.bounds[-1]:g} s"
                    means += f" {len(one.bounds) + 1} buckets, from {bounds} and above."
                yield f"| `{one.full_name}` | {one.kind} | {labels} | {means} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
