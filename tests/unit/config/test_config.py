"""Settings: where they come from, what wins, and what is said of those that won't do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import QUEUE_PASSWORD_VARIABLE, SETTINGS, Config, from_tables, load, settings, to_toml
from crawler.errors import ConfigError

CONFIG = Path(__file__).parents[3] / "config"
DEFAULT_TOML = CONFIG / "default.toml"


@pytest.fixture(name="file")
def a_file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


# --- precedence ---


def test_without_anything_all_is_default() -> None:
    assert load() == Config()


def test_a_flag_wins_over_the_environment_which_wins_over_the_file(file: Path) -> None:
    file.write_text("[scope]\nmax_depth = 1\nmax_pages = 1\nmax_images = 1\n[queue]\ndelay_s = 0.5\n")
    config = load(
        file=file,
        environment={"IMAGE_CRAWLER_MAX_PAGES": "2", "IMAGE_CRAWLER_MAX_IMAGES": "2", "HOME": "/home/x"},
        flags={"max_images": 3, "parser": None},
    )
    scope = config.scope
    assert (scope.max_depth, scope.max_pages, scope.max_images) == (1, 2, 3)
    assert config.queue.delay_s == 0.5
    assert config.harvest == Config().harvest, "a flag that is None was not given"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("MAX_DEPTH", "7", 7),
        ("DELAY_S", "1.5", 1.5),
        ("DELAY_S", "2", 2.0),
        ("VERIFY_TLS", "false", False),
        ("VERIFY_TLS", "1", True),
        ("PARSER", "beautifulsoup", "beautifulsoup"),
        ("MIN_FREE_BYTES", "1.5 GiB", 3 * 2**29),
        ("MAX_IMAGE_BYTES", "500kB", 500_000),
        ("MAX_IMAGE_BYTES", "2m", 2_000_000),
        ("HEADERS", "Accept-Language: de\nX-Key: a b", ("Accept-Language: de", "X-Key: a b")),
        ("MAX_IMAGE_BYTES", "500B", 500),
        ("MAX_IMAGE_BYTES", " 500 b", 500),
        ("MIN_RATE_BYTES_S", "2 kB", 2000),
        ("FORMATS", "jpeg  png", ("jpeg", "png")),
        ("FORMATS", "jpg,tif, webp", ("jpeg", "tiff", "webp")),
        ("LOGIN", "müller:päss:wörd", "müller:päss:wörd"),
        ("STORAGE", "s3://bucket/some/prefix", "s3://bucket/some/prefix"),
        ("USER_AGENT", "me (+mailto:me@example.org)", "me (+mailto:me@example.org)"),
    ],
)
def test_the_environment_speaks_in_text(name: str, text: str, value: object) -> None:
    config = load(environment={f"IMAGE_CRAWLER_{name}": text})
    setting = SETTINGS[name.lower()]
    assert getattr(getattr(config, setting.section), setting.key) == value


def test_a_file_may_say_a_whole_number_of_seconds(file: Path) -> None:
    file.write_text("[queue]\ndelay_s = 2\n")
    assert load(file=file).queue.delay_s == 2.0


def test_lists_from_a_file_the_environment_and_flags(file: Path) -> None:
    file.write_text('[scope]\nexclude = ["*/a/*", "https://e.org/b*"]\n')
    assert load(file=file).scope.exclude == ("*/a/*", "https://e.org/b*")
    environment = {"IMAGE_CRAWLER_EXCLUDE": " *c*  *d* "}
    assert load(file=file, environment=environment).scope.exclude == ("*c*", "*d*")
    assert load(environment=environment, flags={"exclude": ("*e*",)}).scope.exclude == ("*e*",)
    assert from_tables(tomllib.loads(to_toml(load(file=file))), source="x") == load(file=file)


# --- what won't do ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[scope]\nmax_dept = 1", ["[scope]", "unknown key 'max_dept'", "did you mean 'max_depth'?"]),
        ("[scopes]\nmax_depth = 1", ["unknown section [scopes]", "did you mean 'scope'?"]),
        ("[zzz]\nmax_depth = 1", ["unknown section [zzz]", "known are: scope, harvest"]),
        ("max_depth = 1", ["max_depth", "put it below [scope]"]),
        ("scope = 1", ["scope must be a table, such as [scope]"]),
        ("[queue]\nmax_depth = 1", ["max_depth does not belong below [queue] but below [scope]"]),
        ("[scope]\nmax_depth = -1", ["max_depth = -1", "0 or more", "number of links from a seed"]),
        ("[scope]\nmax_depth = 1.5", ["max_depth = 1.5", "a whole number"]),
        ("[scope]\nmax_depth = true", ["max_depth = true", "a whole number"]),
        ("[harvest]\nparser = 'lxml'", ["parser = 'lxml'", "expected one of fast, beautifulsoup"]),
        ("[fetch]\nverify_tls = 3", ["verify_tls = 3", "true or false"]),
        ("[queue]\nlease_s = 0", ["lease_s = 0", "above 0"]),
        ("[fetch]\nuser_agent = ''", ["user_agent = ''", "1 or more characters"]),
        ("[scope\nmax_depth = 1", ["is not valid TOML", "line 1"]),
        ("[scope]\ninclude = '/blog/'", ["include = '/blog/'", "can't match a whole", "perhaps '*/blog/*' is meant"]),
        ("[scope]\ninclude = ['*ö*']", ["include = '*ö*'", "printable ASCII"]),
        ("[scope]\ninclude = [3]", ["include = '3'", "expected text"]),
        ("[images]\nformats = ['jpeg', 'jxl']", ["formats = 'jpeg', 'jxl'", "expected one of jpeg, png, gif"]),
        ("[storage]\nstorage = 'ftp://x/'", ["storage = 'ftp://x/'", "s3://BUCKET/PREFIX"]),
        ("[storage]\nlayout = 'tree'", ["expected one of site, hash, flat"]),
        ("[fetch]\nproxy = 'socks4://x:1'", ["proxy = …", "http://[USER:PASSWORD@]HOST:PORT"]),
        ("[fetch]\nallow_addresses = ['me@host']", ["allow_addresses = 'me@host'"]),
        ("[scope]\nscope = 'site'", ["scope = 'site'", "registrable domains"]),
    ],
)  # fmt: skip
def test_a_file_that_won_t_do_names_source_key_and_value(file: Path, text: str, said: list[str]) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file=file)
    for part in [str(file), *said]:
        assert part in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"can't read the configuration file .*no\.toml: there is no such file"
    ):
        load(file=tmp_path / "no.toml")
    odd = tmp_path / "odd.toml"
    odd.write_bytes(b"\xff\xfe[scope]")
    with pytest.raises(ConfigError, match=r"odd\.toml is not valid TOML"):
        load(file=odd)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("MAX_DEPTH", "many", "max_depth = 'many' won't do"),
        ("MAX_DEPTH", "", "max_depth = '' won't do"),
        ("MAX_DEPTHS", "3", "unknown key 'max_depths'; did you mean 'max_depth'?"),
        ("LEASE_BATCH", "1000", "lease_batch = '1000' won't do"),
        ("VERIFY_TLS", "perhaps", "verify_tls = 'perhaps' won't do"),
    ],
)
def test_the_environment_is_named_when_it_won_t_do(name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environment={f"IMAGE_CRAWLER_{name}": text})
    assert f"environment variable IMAGE_CRAWLER_{name}: {said}" in str(caught.value)


def test_a_flag_is_named_when_it_won_t_do() -> None:
    with pytest.raises(ConfigError, match=r"option --max-depth: max_depth = -3 won't do: .*0 or more"):
        load(flags={"max_depth": -3})
    with pytest.raises(
        ConfigError, match=r"option max_deep: unknown key 'max_deep'; did you mean 'max_depth'"
    ):
        load(flags={"max_deep": 3})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("login", "joe", "expected USER:PASSWORD. "),
        ("headers", ("joe",), "expected NAME: VALUE. "),
        (
            "proxy",
            "joe",
            "expected http://[USER:PASSWORD@]HOST:PORT, socks5://…, socks5h://… or environment. ",
        ),
        ("queue", "http://joe", "expected redis://[USER:PASSWORD@]HOST[:PORT][/DB], "),
        ("storage", "s4://x", "expected local, manager, s3://BUCKET/PREFIX, "),
        ("formats", ("jxl",), "expected one of jpeg, png, gif, webp, "),
        ("formats", (",",), "expected one of jpeg, png, gif, webp, "),
        ("allow_addresses", ("a b",), "networks such as 10.1.0.0/16. "),
    ],
)
def test_what_is_expected_is_said_in_words(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(flags={key: value})
    assert said in str(caught.value)
    assert "joe" not in str(caught.value)


def patterns(key: str) -> list[str]:
    """Of a setting, and of what each value of a list has to be."""
    section = get_type_hints(Config)[SETTINGS[key].section]
    found, waiting = [], [get_type_hints(section, include_extras=True)[key]]
    while waiting:
        hint = waiting.pop()
        found += [meta.pattern for meta in getattr(hint, "__metadata__", ()) if meta.pattern]
        waiting += [part for part in get_args(hint) if get_args(part)]
    return found


def refusal(**given_: Any) -> str:
    try:
        load(**given_)
    except ConfigError as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("key", [key for key in SETTINGS if patterns(key)])
@given(text=st.text() | st.sampled_from(["", "x", ":", "a b", "@", "s3:/x", "ftp://x"]))
def test_no_pattern_is_shown_to_people(key: str, text: str) -> None:
    setting = SETTINGS[key]
    assert setting.choices or setting.words or setting.hint
    for value in ((text,) if setting.is_list else text, text):
        for source in ({"flags": {key: value}}, {"environment": {setting.environment: text}}):
            told = refusal(**source)
            assert not told or "expected" in told
            for unreadable in ("regex", "^", "$", "|", *patterns(key)):
                assert unreadable not in told.rpartition(" won't do: ")[2]


@pytest.mark.parametrize("text", ["many", "1.5", "1.5 B", "5 XB", "-5k", "9" * 500 + "k", ""])
@pytest.mark.parametrize("key", [key for key in SETTINGS if "_bytes" in key])
def test_the_forms_of_a_size_are_said(key: str, text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a number of bytes, or such as 500 MB or 1\.5 GiB\."):
        load(environment={SETTINGS[key].environment: text})


def test_a_size_that_is_too_small_says_so() -> None:
    with pytest.raises(
        ConfigError, match=r"max_page_bytes = '10B' won't do: expected a whole number of 1024 or more"
    ):
        load(flags={"max_page_bytes": "10B"})


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"min_width_px": 500, "max_width_px": 100}, ["min_width_px = 500", "max_width_px = 100"]),
        ({"min_height_px": 2, "max_height_px": 1}, ["min_height_px = 2", "max_height_px = 1"]),
        ({"min_image_bytes": "1GB"}, ["min_image_bytes = 1000000000", "max_image_bytes = 67108864"]),
        ({"max_aspect": 0.5}, ["max_aspect = 0.5", "1 or more, or 0"]),
    ],
)
def test_what_leaves_no_image_at_all_is_refused(given_: dict[str, object], said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(flags=given_)
    for part in said:
        assert part in str(caught.value)


def test_a_queue_is_one_machines_business_and_its_shards_are_the_crawls() -> None:
    config = load(flags={"queue": "redis://127.0.0.1/0", "queue_shards": 8, "result_backlog": 5})
    of_the_crawl = config.of_the_crawl()
    assert of_the_crawl.manager == Config().manager
    assert (of_the_crawl.queue.queue_shards, of_the_crawl.queue.result_backlog) == (8, 5)


def test_the_password_of_a_queue_is_no_setting() -> None:
    assert load(environment={QUEUE_PASSWORD_VARIABLE: "hunter2"}) == Config()


def test_a_file_and_flags_are_put_together_before_they_are_judged(file: Path) -> None:
    file.write_text("[images]\nmin_width_px = 500\nmax_width_px = 100\nmin_height_px = 5\nmax_aspect = 1\n")
    images = load(file=file, flags={"max_width_px": 500}).images
    assert (images.min_width_px, images.max_width_px, images.max_height_px) == (500, 500, 0)
    with pytest.raises(ConfigError, match="min_width_px = 500 and max_width_px = 100"):
        load(file=file)


# --- one name everywhere, and all of them written down ---


def test_a_setting_has_one_name() -> None:
    setting = SETTINGS["max_depth"]
    assert (setting.environment, setting.flag) == ("IMAGE_CRAWLER_MAX_DEPTH", "--max-depth")
    assert (setting.section, setting.type, setting.default) == ("scope", int, 20)


def test_flags_are_unique_over_all_settings() -> None:
    flags = [flag for setting in SETTINGS.values() for flag in (setting.flag, *setting.also)]
    assert len(set(flags)) == len(flags)
    assert {"--min-free", "--header"} < set(flags)


def test_keys_are_unique_over_all_sections() -> None:
    keys = [setting.key for setting in settings()]
    assert len(keys) == len(set(keys)) == len(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_is_described_and_its_default_allowed(setting) -> None:
    assert re.fullmatch(r"[A-Z0-9].*\.", setting.description)
    assert load(flags={setting.key: setting.default}) == Config()


def test_toml_and_back() -> None:
    flags = {"user_agent": 'a "quoted" \\ name', "delay_s": 0.1, "verify_tls": False, "max_depth": 3}
    config = load(flags=flags)
    text = to_toml(config, header="made by a test\n\nin two lines")
    assert text.startswith("# made by a test\n#\n# in two lines\n\n[scope]\n")
    assert from_tables(tomllib.loads(text), source="test") == config


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("login", "me:hunter2"),
        ("proxy", "http://me:hunter2@proxy:8080"),
        ("headers", ("X-Key: hunter2",)),
        ("queue", "redis://me:hunter2@redis.example/0"),
    ],
)
def test_a_secret_is_neither_written_down_nor_shown(key: str, secret: object) -> None:
    text = to_toml(load(flags={key: secret}))
    assert "hunter2" not in text
    assert f'# {key} = "…" is not written down' in text
    assert from_tables(tomllib.loads(text), source="test") == Config()
    with pytest.raises(ConfigError) as caught:
        load(flags={key: f"\n{secret}" if isinstance(secret, str) else (f"\n{secret[0]}",)})
    assert "hunter2" not in str(caught.value)
    assert key in str(caught.value)


@pytest.mark.parametrize("header", ["no colon", "Bad Name: x", "X: two\nlines", "X: nön", ": x"])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(ConfigError, match="option --headers, --header: headers = … won't do"):
        load(flags={"headers": (header,)})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "user_agent": st.text(max_size=30),
            "delay_s": st.floats(),
            "lease_s": st.floats(),
            "max_pages": st.integers(),
            "verify_tls": st.booleans(),
            "images": st.sampled_from(["best", "all", "some"]),
        },
    )
)
def test_whatever_is_accepted_survives_its_file(flags: dict[str, object]) -> None:
    try:
        config = load(flags=flags)
    except ConfigError:
        return
    assert from_tables(tomllib.loads(to_toml(config)), source="test") == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[queue]\ndelay_s = inf", "delay_s = inf won't do: expected a finite number"),
        ("[queue]\nlease_s = nan", "lease_s = nan won't do: expected"),
        (
            "[scope]\nmax_pages = 1000000000000000000000",
            "max_pages = 1000000000000000000000 won't do: expected",
        ),
        ('[fetch]\nuser_agent = "two\\nlines"', "won't do: expected printable ASCII"),
        ('[fetch]\nuser_agent = "söme bot"', "won't do: expected printable ASCII"),
    ],
)
def test_a_value_that_nothing_could_carry_is_refused(file: Path, text: str, said: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file=file)
    assert said in str(caught.value)


def test_the_default_file_lists_every_key_with_its_default_and_description() -> None:
    text = DEFAULT_TOML.read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    assert load(file=DEFAULT_TOML) == Config()
    listed = {(section, key) for section, table in tables.items() for key in table}
    assert listed == {(setting.section, setting.key) for setting in SETTINGS.values()}
    body = to_toml(Config())
    assert text.endswith(body), "write it anew with crawler.config.to_toml"


@pytest.mark.parametrize("file", sorted(CONFIG.glob("*.toml")), ids=lambda file: file.name)
def test_every_file_that_comes_along_loads(file: Path) -> None:
    assert (load(file=file) == Config()) == (file == DEFAULT_TOML), "what says nothing new is of no use"


def test_sections_can_not_be_changed() -> None:
    with pytest.raises(AttributeError):
        Config().scope.max_depth = 3  # type: ignore[misc]
    assert msgspec.structs.replace(Config().scope, max_depth=3).max_depth == 3
