"""Options that commands share: every setting as a flag, logging, help that ends with examples."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from click.shell_completion import CompletionItem

from crawler.cli import short_help
from crawler.config import SETTINGS, Config, Setting, load
from crawler.logs import setup

_Function = TypeVar("_Function", bound=Callable[..., Any])

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
_VERBOSITY = "crawler.cli.verbosity"
_ALL = "crawler.cli.help_all"


def folders(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: the existing folders."""
    return [CompletionItem(incomplete, type="dir")]


folder_argument = click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=Path), shell_complete=folders
)
"""The argument DIR, a crawl's folder; the catalog checks whether it is one."""


def output_option(help_text: str) -> Callable[[_Function], _Function]:
    """``-o DIR``, as ``output``."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help=help_text,
        shell_complete=folders,
    )


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")


class Examples(click.Command):
    """A command whose help ends with *examples*: pairs of a purpose and a command line."""

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def examples_shown(self, ctx: click.Context) -> Sequence[tuple[str, str]]:  # noqa: ARG002 - for who derives
        return self.examples

    def get_help(self, ctx: click.Context) -> str:
        formatter = short_help.Formatter()
        self.format_help(ctx, formatter)
        return formatter.getvalue().rstrip("\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as exc:
            from crawler.cli import unknown_names

            raise unknown_names.option(exc, words, ctx) from None

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        examples = self.examples_shown(ctx)
        if not examples:
            return
        with formatter.section("Examples"):
            for purpose, line in examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
                formatter.write(f"{'':{formatter.current_indent + 4}}{purpose}\n")


class Command(Examples):
    """A command with :func:`verbose_option`, and with its settings under the headings of their sections.

    ``--help`` shows the *short* help, if there is one; ``--help-all`` shows everything.
    """

    def __init__(self, *args: Any, short: short_help.Short | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.short = short
        verbose_option(self)
        help_all = click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_all,
            hidden=short is None,
            help="Show every option, and exit.",
        )
        self.params.append(help_all)

    def is_short(self, ctx: click.Context) -> bool:
        """Whether ``--help`` shows the short help."""
        return self.short is not None and not ctx.meta.get(_ALL)

    def examples_shown(self, ctx: click.Context) -> Sequence[tuple[str, str]]:
        return self.examples[: short_help.EXAMPLES] if self.is_short(ctx) else self.examples

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not self.is_short(ctx):
            super().format_help_text(ctx, formatter)
            return
        formatter.write_paragraph()
        with formatter.indentation():  # the first two paragraphs, as one
            formatter.write_text(
                " ".join(" ".join(inspect.cleandoc(self.help or "").split("\n\n")[:2]).split())
            )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.short is not None and self.is_short(ctx):
            options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
            short_help.write(self.short, options, ctx, formatter)
            return
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            row = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if row is not None:
                heading = param.heading if isinstance(param, SettingOption) else "Options"
                sections.setdefault(heading, []).append(row)
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


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


def verbosity() -> int:
    """The number of ``-v`` given."""
    context = click.get_current_context(silent=True)
    return context.meta.get(_VERBOSITY, 0) if context is not None else 0


def _show_all(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _set_verbosity(ctx: click.Context, _: click.Parameter, value: int) -> None:
    ctx.meta[_VERBOSITY] = ctx.meta.get(_VERBOSITY, 0) + value
    setup.configure(ctx.meta[_VERBOSITY])


verbose_option = click.option(
    "-v",
    "--verbose",
    count=True,
    expose_value=False,
    is_eager=True,
    callback=_set_verbosity,
    help="Log more on stderr: a line for each finished task; given twice, every detail.",
)
"""``-v`` and ``-vv``: more messages on stderr. Allowed before and after the command's name."""


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
