"""The error tree keeps what its first page promises."""

from __future__ import annotations

import inspect
import re

import pytest

from crawler import errors
from crawler.cli.crawl import crawl
from crawler.cli.retry import retry
from crawler.config import SETTINGS
from crawler.config.changes import EFFECTS
from crawler.errors import ADVICE, LEFT_OUT, REASONS, CrawlerError, FetchError, Rejection, TaskError, meaning
from tests.generators import reasons

ALL = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, CrawlerError)]
LEAVES = [cls for cls in ALL if issubclass(cls, TaskError) and not cls.__subclasses__()]


def test_every_reason_has_its_class_and_every_class_its_reason() -> None:
    assert {cls.reason: cls for cls in LEAVES} == REASONS
    assert len(REASONS) == len(LEAVES), "two classes share a reason"


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_a_slug(reason: str) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", reason)


@pytest.mark.parametrize("cls", LEAVES)
def test_a_reason_decides_what_becomes_of_the_image(cls: type[TaskError]) -> None:
    assert issubclass(cls, FetchError) != issubclass(cls, Rejection), "failed or rejected, not both"
    if issubclass(cls, Rejection):
        assert not cls.retryable, "the same bytes would come again"


@pytest.mark.parametrize("cls", LEAVES)
def test_a_task_error_carries_what_the_record_needs(cls: type[TaskError]) -> None:
    error = cls("the server said no", http_status=503, retry_after_s=2.5, final_url="http://a.example/b")
    assert str(error) == error.detail == "the server said no"
    assert (error.http_status, error.retry_after_s, error.final_url) == (503, 2.5, "http://a.example/b")
    bare = cls("no answer")
    assert (bare.http_status, bare.retry_after_s, bare.final_url) == (0, None, "")


@pytest.mark.parametrize("cls", ALL)
def test_the_exit_code_follows_the_branch(cls: type[CrawlerError]) -> None:
    others = {errors.CrawlStopped: 130, errors.LimitReached: 3}
    assert cls.exit_code == others.get(cls, 2 if issubclass(cls, errors.UsageError) else 1)


def test_the_map_on_top_names_the_upper_classes() -> None:
    lines = "".join(re.findall(r"^    .*\n", str(errors.__doc__), re.MULTILINE))
    drawn = set(re.findall(r"[A-Z]\w+", lines))
    upper = {cls.__name__ for cls in ALL if not issubclass(cls, TaskError)}
    assert drawn == upper | {"TaskError", "FetchError", "Rejection", "OptedOut"}


def test_every_slug_and_every_reason_has_its_sentence() -> None:
    for slug, left_out in LEFT_OUT.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", slug)
        assert left_out.meaning
        assert not left_out.meaning.endswith(".")
    assert [cls.reason for cls in LEAVES if not cls.__doc__ or cls.__doc__ == TaskError.__doc__] == []


def test_what_lets_in_what_was_left_out_is_an_option() -> None:
    options = {name for param in crawl.params for name in (*param.opts, *param.secondary_opts)}
    named = {name for left_out in LEFT_OUT.values() for name in re.findall(r"--[a-z-]+", left_out.option)}
    assert named
    assert named <= options


def test_every_reason_has_an_advice() -> None:
    assert ADVICE.keys() == REASONS.keys()
    for reason, advice in ADVICE.items():
        assert 20 < len(advice) <= 120, reason
        assert advice[0].isupper(), reason
        assert not advice.endswith("."), reason
        assert not re.search(r"[{}]", advice), reason


def test_an_advice_names_options_that_there_are() -> None:
    options = {
        name
        for command in (crawl, retry)
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
    }
    for reason, advice in ADVICE.items():
        assert set(re.findall(r"--[a-z-]+", advice)) <= options, reason
        again = re.findall(r"--reason ([a-z-]+)", advice)
        assert again in ([], [reason]), reason


def test_the_same_command_with_an_option_tries_again_what_it_is_advised_for() -> None:
    keys = {
        flag: key
        for key, setting in SETTINGS.items()
        for flag in (setting.flag, setting.flag.replace("--", "--no-", 1))
    }
    tried = 0
    for reason, advice in ADVICE.items():
        _, same, options = advice.partition("he same command with")
        for flag in re.findall(r"--[a-z-]+", options.partition(";")[0]) if same else ():
            if flag == "--cookies":  # of the run; what makes it tried again is --keep-cookies
                continue
            effect = EFFECTS[keys[flag]]
            assert reason in effect.images + effect.pages, f"{reason}: {flag}"
            tried += 1
    assert tried > 30


def test_a_meaning_is_one_line_and_that_of_the_class() -> None:
    assert meaning("not-found") == "404 or 410."
    assert "\n" not in meaning("host-down")
    assert meaning("no such reason") == ""


def test_the_page_of_reasons_is_made_of_them() -> None:
    assert reasons.PAGE.read_text(encoding="utf-8") == reasons.page(), (
        "run python -m tests.generators.reasons"
    )
