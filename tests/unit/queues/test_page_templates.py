"""Which pages are worth a browser, by what rendering others of their template has brought."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crawler.models import RenderOutcome, TemplateAnswer, TemplateVerdict
from crawler.queues import page_templates
from crawler.queues.page_templates import (
    OVERFLOW,
    KnownTemplates,
    asked,
    changes,
    family_of,
    kept_as,
    known_of,
    told,
)
from crawler.queues.policy import (
    DRY_RENDERS,
    FAILED_RENDERS,
    FAMILY_RENDERS,
    FAMILY_TEMPLATES,
    GAINED_FAMILY_RENDERS,
    GAINED_FAMILY_TEMPLATES,
    MOST_BEHAVIOURS,
    MOST_FOUND,
    MOST_TEMPLATES,
    PROBES,
    TEMPLATE_CLAIM_S,
)

NAME = "family/fine"
_tasks = itertools.count(1)
_hashes = itertools.count(1)


def outcome(*found: int, task: int = 0, failed: bool = False, **gains: int) -> RenderOutcome:
    return RenderOutcome(task=task or next(_tasks), found=found, gains=gains, failed=failed)


def after(*outcomes: RenderOutcome, known: KnownTemplates = KnownTemplates(NAME)) -> KnownTemplates:  # noqa: B008 - it is frozen
    for one in outcomes:
        known = told(known, one)
    return known


def fresh() -> RenderOutcome:
    return outcome(next(_hashes), scroll=1)


def verdict(known: KnownTemplates, task: int | None = None, now_s: float = 0.0) -> TemplateVerdict:
    return asked(known, task, now_s)[1].verdict


# --- finding out ---


def test_of_what_nothing_is_known_a_harvester_hears_that() -> None:
    known, answer = asked(KnownTemplates(NAME), None, 0.0)
    assert answer == TemplateAnswer(verdict=TemplateVerdict.UNKNOWN, renders=0)
    assert known == KnownTemplates(NAME), "who only asks has claimed nothing"
    assert verdict(after(outcome(), outcome())) is TemplateVerdict.UNKNOWN


def test_some_are_rendered_to_find_out_and_the_others_wait() -> None:
    known = KnownTemplates(NAME)
    for task in range(PROBES):
        known, answer = asked(known, task, 0.0)
        assert (answer.verdict, answer.behaviours) == (TemplateVerdict.RENDER, None)
    same, answer = asked(known, PROBES, 0.0)
    assert (answer.verdict, answer.again_s) == (TemplateVerdict.WAIT, 1.0)
    assert same is known
    assert verdict(known) is TemplateVerdict.UNKNOWN


def test_who_asks_again_has_its_claim() -> None:
    known, _ = asked(KnownTemplates(NAME), 7, 0.0)
    same, answer = asked(known, 7, 1.0)
    assert same is known
    assert answer.verdict is TemplateVerdict.RENDER
    assert len(known.template.claims) == 1


def test_a_claim_runs_out() -> None:
    known = KnownTemplates(NAME)
    for task in range(PROBES):
        known, _ = asked(known, task, float(task))
    assert verdict(known, 9, TEMPLATE_CLAIM_S - 0.1) is TemplateVerdict.WAIT
    known, answer = asked(known, 9, TEMPLATE_CLAIM_S)
    assert answer.verdict is TemplateVerdict.RENDER
    assert set(known.template.claims) == {1, 2, 9}


def test_what_comes_of_a_probe_frees_its_claim() -> None:
    known = KnownTemplates(NAME)
    for task in range(PROBES):
        known, _ = asked(known, task, 0.0)
    known = told(known, outcome(task=1, failed=True))
    assert set(known.template.claims) == {0, 2}
    assert verdict(known, 9) is TemplateVerdict.RENDER
    known = told(known, outcome(task=2))
    assert set(known.template.claims) == {0}
    assert known.template.renders == 1


def test_as_soon_as_one_brings_anything_all_are_rendered() -> None:
    known = after(outcome(5))
    for task in (None, 1, 2, 3, 4):
        same, answer = asked(known, task, 0.0)
        assert (answer.verdict, answer.behaviours) == (TemplateVerdict.RENDER, None)
        assert same is known, "nobody has to claim anything"


# --- what is known then ---


def test_a_template_that_brings_nothing_is_skipped() -> None:
    assert verdict(after(*[outcome()] * 0, outcome(), outcome(), outcome())) is TemplateVerdict.SKIP
    assert verdict(after(outcome(), outcome(), outcome()), task=1) is TemplateVerdict.SKIP


def test_one_that_gains_is_rendered_by_what_brought_anything() -> None:
    known = after(outcome(1, load=1, more=0), outcome(2, scroll=9, load=1), outcome(3, tabs=1))
    answer = asked(known, None, 0.0)[1]
    assert answer == TemplateAnswer(
        verdict=TemplateVerdict.RENDER, behaviours=("scroll", "load", "tabs"), again_s=0.0, renders=3
    )
    known = told(known, outcome(4, more=2))
    assert asked(known, 1, 0.0)[1].behaviours == ("scroll", "load", "more", "tabs")


def test_the_same_on_each_page_is_a_gain_once() -> None:
    known = after(*(outcome(1, 2, load=2) for _ in range(DRY_RENDERS)))
    assert verdict(known) is TemplateVerdict.RENDER
    known = told(known, outcome(2, 1, load=2))
    assert verdict(known) is TemplateVerdict.SKIP


def test_what_a_render_under_way_brings_takes_a_verdict_back() -> None:
    for known in (after(outcome(), outcome(), outcome()), after(fresh(), *(outcome() for _ in range(9)))):
        assert verdict(known) is TemplateVerdict.SKIP
        assert verdict(told(known, outcome())) is TemplateVerdict.SKIP
        assert verdict(told(known, fresh())) is TemplateVerdict.RENDER


def test_failures_count_for_nothing_but_when_there_is_nothing_else() -> None:
    known = after(*(outcome(failed=True) for _ in range(FAILED_RENDERS - 1)))
    assert verdict(known) is TemplateVerdict.UNKNOWN
    known = told(known, outcome(failed=True))
    assert verdict(known) is verdict(known, 1) is TemplateVerdict.SKIP
    assert verdict(told(known, outcome())) is TemplateVerdict.UNKNOWN
    known = after(fresh(), *(outcome(failed=True) for _ in range(FAILED_RENDERS)))
    assert verdict(known) is TemplateVerdict.SKIP
    assert verdict(told(known, fresh())) is TemplateVerdict.RENDER
    assert known.template.renders == 1


def test_what_is_told_twice_counts_once() -> None:
    one = outcome(1, load=1)
    known = after(one)
    assert told(known, one) is known
    known = after(outcome(task=1), outcome(task=2), outcome(task=1), outcome(task=2), outcome(task=1))
    assert known.template.renders == 2
    claimed, _ = asked(known, 1, 0.0)  # a second renderer has the same page
    assert told(claimed, outcome(task=1)).template == known.template


# --- families ---


def hopeless(
    count: int = FAMILY_TEMPLATES,
    *,
    renders: int = PROBES,
    found: tuple[int, ...] = (),
    family: page_templates.Family | None = None,
) -> KnownTemplates:
    """One more template of a family of which so many have brought nothing but *found*."""
    known = KnownTemplates("family/0", family=family or page_templates.Family())
    for number in range(count):
        known = KnownTemplates(f"family/{number}", family=known.family)
        known = after(*(outcome(*found, load=len(found)) for _ in range(renders)), known=known)
    return KnownTemplates("family/new", family=known.family)


def test_a_new_template_of_a_family_that_brings_nothing_is_skipped_at_once() -> None:
    known = hopeless()
    assert known.family.renders == FAMILY_RENDERS
    same, answer = asked(known, 1, 0.0)
    assert (answer.verdict, same) == (TemplateVerdict.SKIP, known)
    assert verdict(known) is TemplateVerdict.SKIP


def test_it_takes_many_renders_of_several_templates_to_think_so() -> None:
    assert verdict(hopeless(FAMILY_TEMPLATES - 1, renders=5)) is TemplateVerdict.UNKNOWN
    assert verdict(hopeless(FAMILY_TEMPLATES, renders=2)) is TemplateVerdict.UNKNOWN
    assert (
        verdict(after(fresh(), known=hopeless()._replace(template=page_templates.Template())))
        is TemplateVerdict.RENDER
    )


def test_one_gain_saves_a_family() -> None:
    family = after(fresh(), known=KnownTemplates("family/0")).family
    known = KnownTemplates("family/1", family=family)
    for number in range(FAMILY_RENDERS):
        known = KnownTemplates(f"family/{number}", family=after(outcome(), known=known).family)
    assert verdict(KnownTemplates("family/new", family=known.family)) is TemplateVerdict.UNKNOWN
    late = after(fresh(), known=hopeless())
    assert verdict(KnownTemplates("family/new", family=late.family)) is TemplateVerdict.UNKNOWN


def test_the_same_icons_on_every_page_are_a_gain_once() -> None:
    """A manual has a template for nearly every page, and a script that puts two icons on each."""
    icons = (next(_hashes), next(_hashes))
    gained = after(outcome(*icons, load=2), known=KnownTemplates("family/first")).family
    again = after(
        *(outcome(*icons, load=2) for _ in range(PROBES)), known=KnownTemplates(NAME, family=gained)
    )
    assert not again.template.gained
    assert verdict(again) is TemplateVerdict.SKIP

    def of_so_many(templates: int, renders: int) -> TemplateVerdict:
        return verdict(hopeless(templates, renders=renders, found=icons, family=gained))

    many, each = GAINED_FAMILY_TEMPLATES, GAINED_FAMILY_RENDERS // GAINED_FAMILY_TEMPLATES
    assert of_so_many(many, each) is TemplateVerdict.SKIP
    assert of_so_many(many, each - 1) is TemplateVerdict.UNKNOWN
    assert of_so_many(many - 1, each + 1) is TemplateVerdict.UNKNOWN
    late = after(fresh(), known=hopeless(many, renders=each, found=icons, family=gained)).family
    assert verdict(KnownTemplates("family/new", family=late)) is TemplateVerdict.UNKNOWN
    assert verdict(
        KnownTemplates("family/new", family=hopeless(many, renders=each - 1, family=late).family)
    ) is (TemplateVerdict.UNKNOWN), "what came before a gain does not count"


def test_so_many_images_of_a_family_are_remembered() -> None:
    first, *others = (next(_hashes) for _ in range(MOST_FOUND + 1))
    family = after(outcome(first), *map(outcome, others[:-1]), known=KnownTemplates("family/0")).family
    one_more = after(outcome(others[-1]), known=KnownTemplates("family/1", family=family)).family
    for kept, is_fresh in ((family, False), (one_more, True)):
        assert (
            after(outcome(first), known=KnownTemplates("family/2", family=kept)).template.gained is is_fresh
        )


def test_who_renders_one_to_find_out_may_go_on() -> None:
    claimed, _ = asked(KnownTemplates("family/new"), 1, 0.0)
    claimed = claimed._replace(family=hopeless().family)
    assert verdict(claimed, 1) is TemplateVerdict.RENDER
    assert verdict(claimed, 2) is TemplateVerdict.SKIP


# --- bounds ---


def test_a_logo_is_known_however_much_else_is_found() -> None:
    known = KnownTemplates(NAME)
    for _ in range(3 * MOST_FOUND // 100):
        known = told(known, outcome(1, *(next(_hashes) for _ in range(100)), load=100))
    assert known.template.dry == 0
    assert told(known, outcome(1)).template.dry == 1


def test_what_is_kept_has_a_bound() -> None:
    known = KnownTemplates(NAME)
    for task in range(PROBES):
        known, _ = asked(known, 2**63 - 1 - task, 1e10)
    for number in range(40):
        gains = {f"{number}-{one}-{'x' * 90}": 2**31 - 1 for one in range(64)}
        found = tuple(2**32 - 1 - number * 256 - one for one in range(256))
        known = told(known, RenderOutcome(task=2**62 + number, found=found, gains=gains))
    kept = changes(KnownTemplates(NAME), known)
    assert len(known.template.gains) == MOST_BEHAVIOURS
    assert len(known.template.found) == 4 * MOST_FOUND
    assert max(map(len, kept.values())) < 10_000
    again = known_of(NAME, kept[NAME], kept[family_of(NAME)])
    assert again == known


def test_templates_beyond_so_many_count_as_one() -> None:
    assert kept_as(NAME, is_known=False, kept=MOST_TEMPLATES - 1) == NAME
    assert kept_as(NAME, is_known=True, kept=MOST_TEMPLATES) == NAME
    assert kept_as(NAME, is_known=False, kept=MOST_TEMPLATES) == OVERFLOW


# --- as it is kept ---


def test_only_what_has_changed_is_kept() -> None:
    before = KnownTemplates(NAME)
    assert changes(before, asked(before, None, 0.0)[0]) == {}
    claimed, _ = asked(before, 1, 0.0)
    assert set(changes(before, claimed)) == {NAME}
    known = told(claimed, fresh())
    assert set(changes(claimed, known)) == {NAME, family_of(NAME)}
    assert set(changes(known, told(known, outcome()))) == {NAME, family_of(NAME)}
    assert set(changes(known, told(known, outcome(failed=True)))) == {NAME}


@given(st.binary(max_size=40) | st.none(), st.binary(max_size=40) | st.none())
def test_what_cant_be_read_is_not_known(template: bytes | None, family: bytes | None) -> None:
    known = known_of(NAME, template, family)
    answer = asked(known, 1, 0.0)[1]
    msgspec.convert(msgspec.to_builtins(answer), TemplateAnswer)
    told(known, fresh())


@pytest.mark.parametrize("name", ["", "a", "a/b", "a/b/c", "/", OVERFLOW, "x" * 100])
def test_a_family_has_a_name_that_no_template_has(name: str) -> None:
    assert family_of(name).startswith(" ")
    assert family_of(f"{name}/1") == family_of(f"{name}/2")


# --- whatever the order ---


class Fleet(RuleBasedStateMachine):
    """Renderers ask, render, fail and tell in any order; time stands still, so that no claim runs out."""

    gains = False

    def __init__(self) -> None:
        super().__init__()
        self.known = KnownTemplates(NAME)
        self.next_task = 0
        self.at_it: list[int] = []
        self.rendered = 0
        self.failed_in_a_row = 0

    @rule()
    def ask(self) -> None:
        """A new page; or one whose answer was lost."""
        self.next_task += 1
        self.known, answer = asked(self.known, self.next_task, 0.0)
        if answer.verdict is TemplateVerdict.RENDER:
            self.at_it.append(self.next_task)
        self.look(answer)

    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        if self.at_it:
            task = data.draw(st.sampled_from(self.at_it))
            known, _ = asked(self.known, task, 0.0)
            assert known == self.known

    @rule(data=st.data(), times=st.integers(1, 2))
    def tell(self, data: st.DataObject, times: int) -> None:
        if self.at_it:
            task = data.draw(st.sampled_from(self.at_it))
            self.at_it.remove(task)
            self.rendered += 1
            self.failed_in_a_row = 0
            one = outcome(next(_hashes), task=task, load=1) if self.gains else outcome(task=task)
            for _ in range(times):
                self.known = told(self.known, one)

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        if self.at_it:
            task = data.draw(st.sampled_from(self.at_it))
            self.at_it.remove(task)
            self.failed_in_a_row += 1
            self.known = told(self.known, outcome(task=task, failed=True))

    def look(self, answer: TemplateAnswer) -> None:
        """At what a renderer is told."""

    @invariant()
    def it_counts_what_was_rendered(self) -> None:
        assert self.known.template.renders == self.rendered


class OfNoUse(Fleet):
    @invariant()
    def no_more_are_rendered_than_it_takes_to_find_out(self) -> None:
        assert self.rendered <= PROBES
        assert self.rendered + len(self.at_it) <= PROBES


class OfUse(Fleet):
    gains = True

    def look(self, answer: TemplateAnswer) -> None:
        if self.failed_in_a_row < FAILED_RENDERS:
            assert answer.verdict is not TemplateVerdict.SKIP
            if self.rendered:
                assert answer.verdict is TemplateVerdict.RENDER


TestOfNoUse = OfNoUse.TestCase
TestOfUse = OfUse.TestCase
