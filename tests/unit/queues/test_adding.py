"""What a ledger remembers of its pages changes nothing but what adding them costs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from crawler.config import QueueConfig, ScopeConfig
from crawler.models import Alternative, NewTask, Origin, TaskKind
from crawler.queues import adding
from crawler.queues.adding import TaskAdder
from tests.support.queues import embedded

_ENDS = (
    "",
    "x",
    "y",
    ";jsessionid=1",
    ";jsessionid=2",
    "?PHPSESSID=1",
    "/(s(abcdefghijklmnopqrstuvwx))/",
    "é",
    "z" * 600,
)
_BIGGER = Alternative(url="no URL", found_in="img", rule="smaller")


def _some(chance: random.Random) -> list[NewTask]:
    """What a page may name, or what somebody makes up who has the key."""
    return [
        NewTask(
            kind=chance.choice(
                [TaskKind.PAGE, TaskKind.PAGE, TaskKind.PAGE, TaskKind.IMAGE, TaskKind.RENDER]
            ),
            url=f"http://a.example/p{chance.choice(_ENDS)}",
            origin=chance.choice(
                [
                    None,
                    Origin(page_url="http://a.example/", found_in="a", page_title="Roses"),
                    Origin(
                        page_url="http://a.example/", found_in="a", signs=chance.choice(["empty", "none"])
                    ),
                    Origin(page_url="http://a.example/", found_in="a", alternatives=(_BIGGER,)),
                ]
            ),
            kept_out_by=chance.choice(["", "", "", "nofollow", "no slug"]),
        )
        for _ in range(chance.randrange(1, 6))
    ]


def _left_by(file: Path, seed: int) -> list[object]:
    chance = random.Random(seed)
    with embedded(file, queue=QueueConfig(), scope=ScopeConfig(max_pages=8)) as (ledger, queues):
        queues.tasks.put([NewTask(kind=TaskKind.PAGE, url=f"http://a.example/p{end}") for end in _ENDS[:3]])
        new = [queues.tasks.put(_some(chance)) for _ in range(60)]
        rows = ledger._db.execute("SELECT kind, url, depth, words FROM tasks ORDER BY id").fetchall()
        out = ledger._db.execute(
            "SELECT slug, url, kind, times FROM left_out ORDER BY slug, kind, url"
        ).fetchall()
        return [new, queues.tasks.stats().dropped, rows, out]


@pytest.mark.parametrize("seed", range(4))
def test_pages_that_are_remembered_are_taken_as_others_are(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = _left_by(tmp_path / "a.db", seed)
    monkeypatch.setattr(adding, "_PAGES_IN_MEMORY", 2)
    assert _left_by(tmp_path / "b.db", seed) == remembered
    monkeypatch.setattr(TaskAdder, "_remember", lambda *_: None)
    assert _left_by(tmp_path / "c.db", seed) == remembered
