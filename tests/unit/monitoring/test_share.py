"""How much of a crawl is done: one figure that is never more than the truth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.models import Counts, Stats
from crawler.monitoring.share import share

COUNTS = st.builds(Counts, **dict.fromkeys(Counts.__struct_fields__, st.integers(0, 10**12)))  # type: ignore[arg-type]


@given(stats=st.builds(Stats, pages=COUNTS, images=COUNTS, renders=COUNTS))
def test_it_is_rounded_down_and_100_only_at_the_end(stats: Stats) -> None:
    kinds = (stats.pages, stats.images, stats.renders)
    known, left = sum(one.discovered for one in kinds), sum(one.unsettled for one in kinds)
    done = share(stats)
    if done is None:
        assert not known
        return
    assert done.known == known
    assert done.percent * known <= 100 * (known - left) < (done.percent + 1) * known
    assert (done.percent == 100) is (left == 0)
    assert not done.may_fall or left


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"pages": Counts(ready=1, done=1), "images": Counts(done=618)}, "99 % of 620 so far, may fall"),
        ({"pages": Counts(done=2), "images": Counts(ready=619, done=1)}, " 0 % of 622"),
        ({"renders": Counts(ready=1), "images": Counts(done=1)}, "50 % of 2 so far, may fall"),
        ({"images": Counts(done=1, dead=1)}, "100 % of 2"),
    ],
)
def test_in_words(facts: dict[str, Counts], text: str) -> None:
    done = share(Stats(**facts))  # type: ignore[arg-type]
    assert done is not None
    assert done.text == text
