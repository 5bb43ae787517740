"""Lists of URLs: whatever is in them, each entry is a row or a bad one, or the whole is an error that says so."""

from __future__ import annotations

import io

from crawler.config import ScopeConfig
from crawler.errors import ListError, SeedError
from crawler.lists import USUAL, Bad, Columns
from crawler.lists.rows import entries
from crawler.lists.tasks import task_of
from crawler.queues.validation import is_malformed
from crawler.scope import Scope
from crawler.seeds import seed_of
from crawler.urls import canonical
from tests.fuzz.drawn import Drawn

_SCOPE = Scope((), ScopeConfig(exclude_images=("*.gif",)))
_NAMES = ("urls", "a.csv", "b.tsv.gz", "c.jsonl")
_COLUMNS = (USUAL, USUAL, Columns(url="2"), Columns(url="url", caption="x"), Columns(page="1"))


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    name, columns = drawn.one_of(_NAMES), drawn.one_of(_COLUMNS)
    content = drawn.rest()
    last = 0
    try:
        for row in entries(io.BytesIO(content), name=name, columns=columns):
            assert row.line >= last, "the entries are not in order"
            last = row.line
            task = task_of(row, _SCOPE, strip_tracking=True)
            if isinstance(task, Bad):
                assert task.why
                assert "\n" not in task.why
            else:
                assert not is_malformed(task)
            if not isinstance(row, Bad):
                _seed(row.url)
    except ListError as exc:
        assert name in str(exc)
        assert "\n" not in str(exc)
    assert last <= 1 + content.count(b"\n") + content.count(b"\r") or content.startswith(b"\x1f\x8b")


def _seed(text: str) -> None:
    try:
        seed = seed_of(text)
    except SeedError as exc:
        assert str(exc)
    else:
        assert all(canonical(url) == url for url in seed.urls)
