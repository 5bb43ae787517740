"""What is said about a word that is not known: what it is here, a guess that is hardly wrong, or nothing."""

from __future__ import annotations

import re

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.cli import COMMANDS, cli, main
from crawler.config import SETTINGS, load
from crawler.errors import ConfigError
from crawler.text.foreign_options import _TABLE, ADVICE, advice
from crawler.text.foreign_options import COMMANDS as OTHERS
from crawler.text.suggestions import guesses

FLAG = re.compile(r"(?<![\\w-])--[a-z][a-z0-9-]+")
DANGEROUS = re.compile("--(fresh|insecure|no-obey|no-verify|no-avoid)")


def flags(name: str) -> set[str]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return {
        flag
        for param in command.params
        if isinstance(param, click.Option)
        for flag in (*param.opts, *param.secondary_opts)
    }


CRAWL = flags("crawl")


# --- the habits of others ---


@pytest.mark.parametrize("told", sorted({told for _, told in _TABLE}))
def test_every_flag_and_command_that_is_named_exists(told: str) -> None:
    ours, *others = told.split("image-crawler ")
    assert set(FLAG.findall(ours)) <= CRAWL
    for other in others:
        name = other.split()[0]
        assert name in COMMANDS
        assert set(FLAG.findall(other)) <= flags(name) | {"--help-all"}
    assert not DANGEROUS.search(told)
    assert told == told.strip()
    assert not told.endswith(".")


def test_every_word_is_one_that_somebody_can_type_and_has_one_advice_for_each_form() -> None:
    assert len(ADVICE) > 250
    for name in ADVICE:
        assert re.fullmatch(r"--[a-z0-9][a-z0-9-]+|-[A-Za-z0-9]|-n[a-zA-Z]", name), name
        assert advice(name) == ADVICE[name]
        if name.startswith("--"):
            assert advice(name.replace("-", "_").replace("__", "--", 1)) == ADVICE[name]
    assert set(OTHERS.values()) <= COMMANDS.keys()
    assert not {word for words in OTHERS for word in words.split()} & COMMANDS.keys()


def test_what_has_become_an_option_of_ours_needs_no_advice() -> None:
    assert sorted(ADVICE.keys() & CRAWL) == [], "take them out of the table"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--wait=2", "here it is --delay-s SECONDS"),
        ("--no-parent", "here it is --scope prefix"),
        ("-np", "here it is --scope prefix"),
        ("-r", "the pages of the site are followed"),
        ("-rl2", "the pages of the site are followed"),
        ("-l2", "--max-depth N"),
        ("-ql2", "--max-depth N"),
        ("-l", "--max-depth N"),
        ("-nc", "the same command goes on"),
        ("-c", "the same command goes on"),
        ("--resume", "the same command goes on"),
        ("--continue", "the same command goes on"),
        ("-A", "--include-images PATTERN"),
        ("-R", "--exclude-images PATTERN"),
        ("-P", "-o DIR"),
        ("-e", "robots.txt is obeyed"),
        ("--sleep", "--delay-s"),
        ("--min-size", "--min-image-bytes"),
        ("--dry-run", "image-crawler extract"),
        ("--simulate", "image-crawler extract"),
        ("--span-hosts", "--scope domain"),
        ("--write-metadata", "image-crawler export"),
        ("--download-archive", "not fetched again"),
        ("--output_folder", "-o DIR"),
        ("--no-check-certificate", "certificates are checked"),
        ("-wait", "--delay-s"),
        ("--failures", "it is an option of image-crawler inspect"),
        ("--max_depth", "did you mean --max-depth?"),
        ("--maxdepth", "did you mean --max-depth?"),
        ("--max-depht", "did you mean --max-depth?"),
    ],
)
def test_what_users_of_others_type_is_answered(
    typed: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crawl", "https://example.org/", typed, "2"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"No such option: {typed.partition('=')[0]}; " in told
    assert said.lower() in told.lower()


def test_another_command_is_told_whose_option_it_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "x", "--wait"]) == 2
    assert "--wait; for image-crawler crawl: here it is --delay-s" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("crwl", "did you mean crawl?"),
        ("Crawl", "did you mean crawl?"),
        ("get", "here it is image-crawler crawl"),
        ("example.org", "to crawl a site, say: image-crawler crawl example.org"),
        ("example.org/a/b", "to crawl a site, say: image-crawler crawl example.org/a/b"),
        ("zzz", "No such command 'zzz'"),
    ],
)
def test_a_command_that_is_none(word: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("wait", "here it is delay_s SECONDS"),
        ("download_delay", "here it is delay_s SECONDS"),
        ("max_depht", "did you mean 'max_depth'?"),
        ("depth", "max_depth"),
        ("zzz", "known are: scope, "),
    ],
)
def test_keys_and_variables_have_the_same_answers(key: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        load(environment={f"IMAGE_CRAWLER_{key.upper()}": "1"})
    with pytest.raises(ConfigError, match=re.escape(said)):
        load(flags={key: "1"})


# --- guesses ---


@given(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(sorted(CRAWL)).flatmap(
            lambda flag: st.tuples(st.just(flag), st.integers(0, len(flag)), st.sampled_from("abc-_xN")).map(
                lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] + 1 :]
            )
        ),
    )
)
def test_no_guess_is_dangerous_or_far_off(typed: str) -> None:
    found = guesses(typed, CRAWL)
    assert len(found) <= 3
    for flag in found:
        assert flag in CRAWL
        assert not DANGEROUS.match(flag)
        shared = set(re.findall("[a-z]+", typed.lower())) & set(re.findall("[a-z]+", flag))
        assert shared or abs(len(typed.strip("-_ ")) - len(flag.strip("-"))) <= 4


@pytest.mark.parametrize(
    "typed",
    [
        "--wait",
        "--fresch",
        "--freshh",
        "--no-obey-robots-text",
        "--insecure-plain-text",
        "--no-verify-tlss",
        "--x",
        "",
    ],
)
def test_where_nothing_is_likely_nothing_is_guessed(typed: str) -> None:
    assert guesses(typed, CRAWL) == []


@pytest.mark.parametrize(
    "flag", sorted(flag for flag in CRAWL if len(flag) > 8 and not DANGEROUS.match(flag))
)
def test_a_letter_that_is_missing_is_no_harm(flag: str) -> None:
    at = len(flag) - 3
    assert flag in guesses(flag[:at] + flag[at + 1 :], CRAWL)


def test_a_key_is_found_as_a_flag_is() -> None:
    assert guesses("max_dept", SETTINGS) == ["max_depth"]
