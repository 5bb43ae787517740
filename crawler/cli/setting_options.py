"""Settings as options: a flag for each, and the configuration that a command gets of them."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from click.shell_completion import CompletionItem

from crawler.cli.options import verbosity
from crawler.config import SETTINGS, Config, Setting, load
from crawler.logs import setup

_UNITS = {"_bytes": "BYTES", "_bytes_s": "BYTES", "_s": "SECONDS"}
_KINDS = {
    "bind": "HOST[:PORT]",
    "queue": "URL",
    "queue_password_file": "FILE",
    "login": "USER:PASSWORD",
    "cookies": "FILE",
    "proxy": "URL|environment",
    "storage": "local|manager|URL",
    "chromium": "FILE",
    "behaviours": "FILE",
    "log_file": "FILE",
    "keys": "DIR",
    "authkey_file": "FILE",
    "tls_cert": "FILE",
    "tls_key": "FILE",
    "tls_ca": "FILE",
    "tls_server_name": "NAME",
}
_SECTIONS = {
    field.name: f"[{field.name}] {inspect.getdoc(field.type)}".rstrip(".")
    for field in msgspec.structs.fields(Config)
}


class SettingOption(click.Option):
    """A setting as an option. Its value stays as it was typed: the config validates it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.heading = _SECTIONS[setting.section]
        several = " May be given several times." if setting.is_list else ""
        help_text = (
            f"{setting.description}{several}  [{setting.environment}; default: {_shown(setting.default)}]"
        )
        if setting.type is bool:
            no = setting.flag.replace("--", "--no-", 1)
            super().__init__([f"{setting.flag}/{no}", setting.key], default=None, help=help_text)
        else:
            super().__init__(
                [setting.flag, *setting.also, setting.key],
                metavar=_metavar(setting),
                multiple=setting.is_list,
                default=None,
                help=help_text,
            )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The words that the setting takes, or files or folders where it takes those."""
        if words := self.setting.choices or self.setting.words:
            given = incomplete.rpartition(",")[0]
            done = f"{given}," if given and self.setting.words else ""
            items = [f"{done}{word}" for word in words]
            return [CompletionItem(item) for item in items if item.startswith(incomplete)]
        kind = {"FILE": "file", "DIR": "dir"}.get(_metavar(self.setting))
        return [CompletionItem(incomplete, type=kind)] if kind else super().shell_complete(ctx, incomplete)


def config_options_of(
    *sections: str, but: Collection[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As :func:`config_options`, for commands that use only some *sections*, without the settings in *but*."""
    chosen = {
        key: setting for key, setting in SETTINGS.items() if setting.section in sections and key not in but
    }
    return functools.partial(config_options, chosen=chosen)


def config_options(
    function: Callable[..., Any], chosen: Mapping[str, Setting] = SETTINGS
) -> Callable[..., Any]:
    """Options for the *chosen* settings, and ``--config``; *function* gets one ``config: Config``.

    The file, the environment and the flags are put together by ``config.load``, which raises ConfigError.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, config_file: Path | None, **kwargs: Any) -> Any:
        flags = {key: kwargs.pop(key) for key in chosen}
        flags = {key: None if value == () else value for key, value in flags.items()}  # a list not given
        config: Config = load(file=config_file, environment=os.environ, flags=flags)
        if "log_file" in chosen:
            setup.configure(verbosity(), config.log)
        return function(*args, config=config, **kwargs)

    options = [
        click.Option(
            ["--config", "config_file"],
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="TOML file of settings; the environment and the options below win over it.",
        ),
        *(SettingOption(setting) for setting in chosen.values()),
    ]
    # click collects the parameters of decorators from the innermost outwards
    wrapper.__click_params__ = [  # type: ignore[attr-defined]
        *reversed(options),
        *getattr(function, "__click_params__", []),
    ]
    return wrapper


def _metavar(setting: Setting) -> str:
    unit = next((unit for suffix, unit in _UNITS.items() if setting.key.endswith(suffix)), None)
    if setting.choices:
        return "|".join(setting.choices)
    if setting.is_list:
        return setting.item
    return unit or _KINDS.get(setting.key) or ("N" if setting.type is int else "TEXT")


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if default not in ("", ()) else "none"
