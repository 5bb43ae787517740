"""What another value of each setting means for what is done already."""

from __future__ import annotations

from typing import Any

import pytest

from crawler.config import SETTINGS, Config, load, settings_of
from crawler.config.changes import EFFECTS, FIXED, Reads, changes_between, slugs_of, told, unusual
from crawler.errors import LEFT_OUT, REASONS

USUAL = settings_of(Config())
ONLY_HOW = frozenset(
    {
        *("harvesters", "harvester_threads", "renderers", "renderer_threads", "downloaders"),
        *("downloader_threads", "record_tdmrep", "transport", "user_agent", "tries"),
        *("storage_patience_s", "fsync", "min_free_bytes"),
        *("per_host", "per_domain", "delay_s", "lease_s", "max_lease_s", "heartbeat_s", "lease_batch"),
        *("retry_delay_s", "image_backlog", "result_backlog", "queue_shards"),
        *("max_time_s", "max_bytes", "cookies", "limit_rate_bytes_s"),
    }
)
"""Settings that say how work is done; they apply to all further work."""


def changes(before: dict[str, Any], after: dict[str, Any]) -> Any:
    return changes_between(USUAL | before, USUAL | after)


def test_every_setting_of_a_crawl_lets_in_or_keeps_out_or_is_fixed_or_only_says_how() -> None:
    """To add a setting, ask what a crawl that has finished owes to who gives it another value."""
    classes = [set(EFFECTS), set(FIXED), set(ONLY_HOW)]
    assert sum(map(len, classes)) == len(set().union(*classes)), "one is in two of them"
    assert set().union(*classes) == set(USUAL)


def test_every_slug_that_an_option_lets_in_is_taken_up_with_it() -> None:
    for slug, one in LEFT_OUT.items():
        keys = [key for key in SETTINGS if slug in slugs_of(key)]
        assert bool(keys) == bool(one.option), slug
        assert set(keys) <= set(EFFECTS), slug


def test_every_reason_is_one_that_there_is() -> None:
    assert {reason for effect in EFFECTS.values() for reason in (*effect.images, *effect.pages)} <= set(
        REASONS
    )


@pytest.mark.parametrize(
    ("before", "after", "lets_in", "keeps_out"),
    [
        ({"max_images": 5}, {"max_images": 9}, True, False),
        ({"max_images": 5}, {}, True, False),  # 0 is no limit
        ({}, {"max_images": 5}, False, True),
        ({"max_depth": 0}, {"max_depth": 1}, True, False),
        ({"max_depth": 2}, {"max_depth": 1}, False, True),
        ({"formats": ["jpeg"]}, {"formats": ["jpeg", "png"]}, True, False),
        ({"formats": ["jpeg"]}, {"formats": ["png"]}, True, True),
        ({"formats": ["jpeg"]}, {}, True, False),
        ({}, {"formats": ["jpeg"]}, False, True),
        ({"include": ["*a*"]}, {"include": ["*b*"]}, True, True),
        ({"exclude": ["*a*"]}, {}, True, False),
        ({}, {"exclude": ["*a*"]}, False, True),
        ({"exclude": ["*a*"]}, {"exclude": ["*b*"]}, True, True),
        ({"scope": "host"}, {"scope": "domain"}, True, False),
        ({"scope": "any"}, {"scope": "prefix"}, False, True),
        ({}, {"obey_noai": False}, True, False),
        ({"obey_noai": False}, {}, False, True),
        ({"purpose": "train"}, {}, True, False),
        ({}, {"purpose": "train"}, False, True),
        ({"purpose": "search"}, {"purpose": "train"}, True, True),
        ({"min_width_px": 200}, {"min_width_px": 100}, True, False),
        ({}, {"min_width_px": 100}, False, True),
        ({"max_aspect": 3.0}, {}, True, False),
        ({}, {"script_urls": True}, True, False),
        ({"script_urls": True}, {}, False, False),
        ({"render": "never"}, {"render": "auto"}, True, False),
        ({}, {"login": "…"}, True, False),
        ({"login": "…"}, {"login": "…"}, False, False),
        ({}, {"delay_s": 1.0, "harvesters": 2, "user_agent": "me"}, False, False),
        ({"images": "best"}, {"images": "all"}, True, False),
        ({"max_image_bytes": 10}, {"max_image_bytes": 20}, True, False),
        ({"max_image_bytes": 20}, {"max_image_bytes": 10}, False, False),
    ],
)
def test_which_way_a_setting_moves(
    before: dict[str, Any], after: dict[str, Any], *, lets_in: bool, keeps_out: bool
) -> None:
    found = changes(before, after)
    assert (bool(found.lets_in), bool(found.keeps_out)) == (lets_in, keeps_out)


@pytest.mark.parametrize("key", sorted(EFFECTS))
def test_no_setting_both_lets_in_and_keeps_out_by_standing_still_or_by_going_back(key: str) -> None:
    assert changes({}, {}).all == ()
    default = USUAL[key]
    other = (not default) if isinstance(default, bool) else _another(key, default)
    there, back = changes({}, {key: other}), changes({key: other}, {})
    assert bool(there.keeps_out) == bool(back.lets_in) or not EFFECTS[key].keeps_out
    assert there.lets_in or there.keeps_out or back.lets_in or back.keeps_out, "it has some effect"


def _another(key: str, default: Any) -> Any:
    setting = SETTINGS[key]
    if setting.choices:
        return next(choice for choice in setting.choices if choice != default)
    if isinstance(default, list):
        return ["png"] if key == "formats" else ["*x*"]
    return default + 1 if isinstance(default, int | float) else "…"


def test_what_an_earlier_version_did_not_know_was_at_its_default() -> None:
    before = {key: value for key, value in USUAL.items() if key != "render"}
    assert changes_between(before, USUAL).all == ()
    assert changes_between({**before, "of_another_version": 7}, USUAL).all == ()


def test_lists_are_what_they_are_whichever_way_they_were_read() -> None:
    before = USUAL | {"include": ("*/a/*",), "exclude": (), "headers": ()}
    assert changes_between(before, USUAL | {"include": ["*/a/*"]}).all == ()
    assert unusual(USUAL | {"include": (), "formats": ()}) == ()


def test_absurd_values_of_a_file_are_passed_over() -> None:
    found = changes_between(USUAL | {"max_depth": "deep", "include": 7, "scope": None}, USUAL)
    assert {change.key for change in found.all} == {"max_depth", "include", "scope"}


def test_local_and_manager_are_one_place_and_a_bucket_is_another() -> None:
    assert changes({"storage": "local"}, {"storage": "manager"}).fixed == ()
    assert changes({"storage": "local"}, {"storage": "s3://b/p"}).fixed
    assert changes({"layout": "site"}, {"layout": "flat"}).fixed


def test_changes_read_as_somebody_would_type_them() -> None:
    found = changes({"formats": ["png"], "login": ""}, {"max_images": 9, "obey_noai": False, "login": "…"})
    assert [str(change) for change in found.all] == [
        "--max-images 9 (none before)",
        "--no-obey-noai",
        "--login … (none before)",
        "no --formats (png before)",
    ]
    unlimited = changes({"max_images": 9, "max_depth": 3}, {"max_depth": 0})
    assert {str(change) for change in unlimited.all} == {
        "no --max-images (9 before)",
        "--max-depth 0 (3 before)",
    }


def test_what_pages_are_read_once_more_for() -> None:
    assert changes({}, {"script_urls": True}).reads is Reads.ALL
    assert changes({"sitemaps": False}, {}).reads is Reads.SEEDS
    assert changes({"max_images": 5}, {}).reads is Reads.NONE, "the URLs that were left out say which pages"
    assert changes({"max_images": 5}, {}).slugs == {"max-images"}
    assert settings_of(load()) == USUAL


def test_no_value_of_a_run_before_is_too_odd() -> None:
    usual = settings_of(Config())
    for key in usual:
        for odd in (None, {}, [[]], "", -1, 2**70, float("nan"), True, ["a"]):
            told(changes_between(usual | {key: odd}, usual).all)
