"""The settings as type checkers and docs/settings.md know them are those that there are."""

from __future__ import annotations

import ast
from typing import get_type_hints

from crawler.config import SETTINGS, Config, load
from crawler.config.keywords import Settings
from tests.generators import settings_table, typed_settings


def test_the_file_is_what_config_says() -> None:
    """Else: ``python -m tests.generators.typed_settings``, and ``ruff format``."""
    kept = typed_settings.FILE.read_text(encoding="utf-8")
    assert ast.dump(ast.parse(kept)) == ast.dump(ast.parse(typed_settings.text()))


def test_the_page_of_settings_is_made_of_them() -> None:
    assert settings_table.PAGE.read_text(encoding="utf-8") == settings_table.page(), (
        "run python -m tests.generators.settings_table"
    )


def test_every_setting_has_its_type() -> None:
    hints = get_type_hints(Settings)
    assert list(hints) == list(SETTINGS)
    assert Settings.__total__ is False
    assert str(hints["max_depth"]) == "<class 'int'>"
    assert "'best', 'all'" in str(hints["images"])
    assert "'jpg'" in str(hints["formats"]), "what load() takes for another word as well"


def test_what_the_types_allow_load_takes() -> None:
    given: Settings = {
        "formats": ["jpg", "png"],
        "min_image_bytes": "10 KB",
        "delay_s": 1,
        "include": ["*/a/*"],
    }
    config = load(flags=given)
    assert config.images.formats == ("jpeg", "png")
    assert config.images.min_image_bytes == 10_000
    defaults = {key: getattr(getattr(Config(), of.section), key) for key, of in SETTINGS.items()}
    assert load(flags=defaults) == Config()
