"""Options that commands share, but for settings (``setting_options``); help that ends with examples."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from crawler.cli import short_help

if TYPE_CHECKING:
    from crawler.forkserver.client import ForkServer

_Function = TypeVar("_Function", bound=Callable[..., Any])

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
    """A command with :func:`verbose_option`, and with its options under their headings.

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
                heading = getattr(param, "heading", "Options")
                sections.setdefault(heading, []).append(row)
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


def fork_server() -> ForkServer | None:
    """The fork server that was started for this command, if there is one."""
    context = click.get_current_context(silent=True)
    return context.find_root().obj if context is not None else None


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
    if not value and ctx.parent is None:
        return  # the command has this option as well
    from crawler.logs import setup  # help and completion do without the settings that it needs

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
