"""What rendering pages of a template brings is known to the whole crawl, in every queue engine."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from zlib import crc32

import pytest

from crawler.models import RenderOutcome, TaskKind, TemplateAnswer, TemplateVerdict
from crawler.queues.policy import MOST_TEMPLATES, PROBES, TEMPLATE_CLAIM_S
from tests.contract.test_queues import a_maker, some_queues  # noqa: F401 - fixtures
from tests.support.queues import RENDERER, Queues, lease, worker

A, B = "http://a.example", "https://b.example:8443"
NAME = "family/fine"


def ask(queues: Queues, task: int | None = None, *, host: str = A, name: str = NAME) -> TemplateAnswer:
    return queues.tasks.template(host=host, name=name, task=task)


def verdict(queues: Queues, task: int | None = None, *, host: str = A, name: str = NAME) -> TemplateVerdict:
    return ask(queues, task, host=host, name=name).verdict


def tell(
    queues: Queues, task: int, *found: str, host: str = A, name: str = NAME, failed: bool = False
) -> None:
    outcome = RenderOutcome(
        task=task,
        found=tuple(crc32(url.encode()) for url in found),
        gains={"scroll": len(found)} if found else {},
        failed=failed,
    )
    queues.tasks.tell_template(host=host, name=name, outcome=outcome)


def test_three_are_rendered_to_find_out_that_it_is_of_no_use(queues: Queues) -> None:
    assert ask(queues) == TemplateAnswer(verdict=TemplateVerdict.UNKNOWN, has_renderer=False)
    assert [verdict(queues, task) for task in (1, 2, 3, 4)] == [
        *[TemplateVerdict.RENDER] * PROBES,
        TemplateVerdict.WAIT,
    ]
    assert ask(queues, 4).again_s == 1.0
    assert verdict(queues, 2) is TemplateVerdict.RENDER, "it is at it"
    tell(queues, 1)
    tell(queues, 2)
    assert verdict(queues, 4) is TemplateVerdict.WAIT
    tell(queues, 3, failed=True)
    assert verdict(queues, 4) is TemplateVerdict.RENDER
    tell(queues, 4)
    answer = ask(queues)
    assert (answer.verdict, answer.renders) == (TemplateVerdict.SKIP, 3)
    assert verdict(queues, 5) is TemplateVerdict.SKIP


def test_what_brings_something_is_rendered_by_what_brought_it(queues: Queues) -> None:
    assert verdict(queues, 1) is TemplateVerdict.RENDER
    tell(queues, 1, "one")
    assert ask(queues, 9) == TemplateAnswer(verdict=TemplateVerdict.RENDER, renders=1, has_renderer=False)
    tell(queues, 2)
    tell(queues, 3, "two", "three")
    answer = ask(queues)
    assert (answer.verdict, answer.behaviours, answer.renders) == (TemplateVerdict.RENDER, ("scroll",), 3)


def test_a_claim_runs_out(queues: Queues) -> None:
    for task in range(PROBES):
        ask(queues, task)
    queues.pass_time(TEMPLATE_CLAIM_S / 2)
    assert verdict(queues, 9) is TemplateVerdict.WAIT
    queues.pass_time(TEMPLATE_CLAIM_S / 2 + 1)
    assert verdict(queues, 9) is TemplateVerdict.RENDER


def test_what_is_told_twice_counts_once(queues: Queues) -> None:
    for _ in range(5):
        tell(queues, 1)
    assert ask(queues).renders == 1


def test_hosts_and_templates_are_told_apart(queues: Queues) -> None:
    for task in range(PROBES):
        tell(queues, task)
    assert verdict(queues) is TemplateVerdict.SKIP
    assert verdict(queues, host=B) is TemplateVerdict.UNKNOWN
    assert verdict(queues, name="family/other") is TemplateVerdict.UNKNOWN
    assert verdict(queues, name="") is TemplateVerdict.UNKNOWN


def test_a_family_that_brings_nothing_is_known(queues: Queues) -> None:
    for number in range(24):
        tell(queues, number, name=f"family/{number % 8}")
    assert verdict(queues, name="family/new") is TemplateVerdict.SKIP
    assert verdict(queues, 99, name="family/new") is TemplateVerdict.SKIP
    assert verdict(queues, name="other/new") is TemplateVerdict.UNKNOWN
    assert verdict(queues, name="family/new", host=B) is TemplateVerdict.UNKNOWN


def test_further_templates_count_as_one(make: Callable[..., Queues]) -> None:
    queues = make()
    for number in range(MOST_TEMPLATES // 2):  # each has a family of its own
        tell(queues, number, "x", name=f"{number}/1")
    assert verdict(queues, name="0/1") is TemplateVerdict.RENDER
    for task in range(PROBES):
        assert verdict(queues, task, name=f"new-{task}/1") is TemplateVerdict.RENDER
    assert verdict(queues, 9, name="new-9/1") is TemplateVerdict.WAIT
    for task in range(PROBES):
        tell(queues, task, name=f"new-{task}/1")
    assert verdict(queues, name="another/1") is TemplateVerdict.SKIP
    assert verdict(queues, name="0/1") is TemplateVerdict.RENDER
    assert verdict(queues, host=B) is TemplateVerdict.UNKNOWN


def test_a_host_that_is_none_is_refused(queues: Queues) -> None:
    for host in ("", "nowhere", "http://a.example/", "data:"):
        with pytest.raises(Exception, match=r"is no host"):
            ask(queues, host=host)
        with pytest.raises(Exception, match=r"is no host"):
            tell(queues, 1, host=host)


def test_it_is_known_whether_anybody_renders(queues: Queues) -> None:
    lease(queues, worker("h1", TaskKind.PAGE))
    assert not ask(queues).has_renderer
    lease(queues, RENDERER)
    assert ask(queues).has_renderer
    queues.tasks.leave(RENDERER.id, charged=False)
    assert ask(queues).has_renderer, "it has been here in this run"


def test_renderers_that_ask_at_the_same_time_have_three_probes_between_them(queues: Queues) -> None:
    answers: Counter[TemplateVerdict] = Counter()
    mutex = threading.Lock()

    def render(first: int) -> None:
        for task in range(first, first + 5):
            said = verdict(queues, task)
            with mutex:
                answers[said] += 1

    threads = [threading.Thread(target=render, args=(10 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {TemplateVerdict.RENDER: PROBES, TemplateVerdict.WAIT: 30 - PROBES}


def test_no_outcome_is_lost_that_is_told_at_the_same_time(queues: Queues) -> None:
    def report(first: int) -> None:
        for task in range(first, first + 5):
            tell(queues, task, f"image-{task}")

    threads = [threading.Thread(target=report, args=(10 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask(queues).renders == 30
