"""When a parameter is a session id, and when it names what is shown."""

from __future__ import annotations

import pytest

from crawler.harvest import session_ids
from crawler.harvest.session_ids import ENOUGH, SessionIds

SITE = "https://e.org"


def token(n: int) -> str:
    return f"{n:032x}"


def url(page: str, n: int, name: str = "sid") -> str:
    return f"{SITE}/{page}?{name}={token(n)}"


def seen(*, pages: int = ENOUGH, values: int = 2, picture_of: str = "page") -> SessionIds:
    """After *pages*, each under so many values, of which each names the next; they show a picture of their own, or one
    of each value.
    """
    known = SessionIds()
    for n in range(values):
        for page in range(pages):
            picture = f"{SITE}/{page}.png" if picture_of == "page" else f"{SITE}/{n}.png"
            link = url(str((page + 1) % pages), n + 100 * page)
            known.visit(url(str(page), n), {"some words"}, images=[picture], links=[link])
    return known


def test_pages_that_are_the_same_under_two_values_are_visited_under_one() -> None:
    known = seen()

    assert not known.is_repeat(url("0", 7))
    assert not known.is_repeat(url("0", 7)), "it is the one that is visited"
    assert known.is_repeat(url("0", 8))
    assert not known.is_repeat(url("new", 8))
    assert known.known_as(url("0", 8)) == f"{SITE}/0"
    assert not known.is_repeat(f"https://other.test/0?sid={token(1)}")


@pytest.mark.parametrize(
    "known",
    [
        seen(pages=ENOUGH - 1),
        seen(values=1),
        seen(picture_of="value"),
        seen(pages=50, picture_of="value"),
        SessionIds(),
    ],
)
def test_nothing_else_is_a_session(known: SessionIds) -> None:
    assert not any(known.is_repeat(url("0", n)) for n in range(20))
    assert known.known_as(url("0", 8)) == url("0", 8)


def test_one_page_that_was_not_seen_twice_may_be_another_each_time() -> None:
    known = seen()
    known.visit(url("0", 3), {"some words"}, images=[f"{SITE}/0.png"], links=[url("photo", 1)])

    assert not any(known.is_repeat(url("photo", n)) for n in range(9))


def test_one_page_that_is_another_under_another_value_is_enough() -> None:
    known = seen()
    for n in range(2):
        known.visit(url("photo", n), set(), images=[f"{SITE}/photo-{n}.png"], links=[])
    known.visit(url("0", 1), {"some words"}, images=[f"{SITE}/0.png"], links=[])

    assert not any(known.is_repeat(url("0", n)) for n in range(9))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MAX_PAGES", "_MAX_HOSTS", "_MAX_PAGES_OF_HOST"):
        monkeypatch.setattr(session_ids, name, 20)
    known = SessionIds()
    for n in range(500):
        page = f"https://h{n % 50}.test/{n}?sid={token(n)}"
        links = [f"https://h{n % 50}.test/{n}-{k}?sid={token(k)}" for k in range(50)]
        known.visit(page, set(), images=[], links=links)
        known.is_repeat(page)

    assert max(len(known._visits), len(known._chosen), len(known._hosts)) <= 20
    assert all(len(host.open) + len(host.agreed) <= 70 for host in known._hosts.values())
