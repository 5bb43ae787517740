"""Lists of URLs as options: of pages to begin with, and of images to save."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from crawler.lists import Columns
from crawler.lists.reading import STANDARD_INPUT, Files, ListRequest, gathered

_Function = TypeVar("_Function", bound=Callable[..., Any])


def list_options(function: _Function) -> _Function:
    """Adds the options for lists; *function* gets one ``lists: ListRequest``."""

    @functools.wraps(function)
    def wrapper(
        *args: Any,
        input_lists: tuple[str, ...],
        image_lists: tuple[str, ...],
        url_column: str,
        caption_column: str,
        page_column: str,
        **kwargs: Any,
    ) -> Any:
        lists = ListRequest(
            pages=tuple(map(Path, input_lists)),
            images=tuple(map(Path, image_lists)),
            columns=Columns(url=url_column, caption=caption_column, page=page_column),
        )
        return function(*args, lists=lists, **kwargs)

    for option in reversed(
        (
            click.option(
                "-i",
                "--input",
                "input_lists",
                metavar="FILE",
                multiple=True,
                help="File of pages to begin with, in addition to URLs; - is standard input. One URL a line; or CSV,"
                " TSV or JSON lines with a column for the URL; .gz as well. May be given several times.",
            ),
            click.option(
                "-I",
                "--image-list",
                "image_lists",
                metavar="FILE",
                multiple=True,
                help="File of images to save, by their URLs, with their captions if it has a column for them; the same"
                " formats, of any length. May be given several times.",
            ),
            click.option(
                "--url-column",
                "--url-col",
                metavar="NAME",
                default="",
                help="Column of the URL in lists, by name or number.  [default: url, image_url … whichever is there]",
            ),
            click.option(
                "--caption-column",
                "--caption-col",
                metavar="NAME",
                default="",
                help="Column of the caption.  [default: caption, text, alt … if there is one]",
            ),
            click.option(
                "--page-column",
                metavar="NAME",
                default="",
                help="Column of the page that shows the image.  [default: page_url … if there is one]",
            ),
        )
    ):
        wrapper = option(wrapper)
    return wrapper  # type: ignore[return-value]


@contextmanager
def gathered_with(seeds: Sequence[str], lists: ListRequest) -> Iterator[tuple[tuple[str, ...], Files]]:
    """The typed seeds, and the files of *lists*; ``-`` among the seeds is a list of pages."""
    typed = tuple(seed for seed in seeds if seed != STANDARD_INPUT)
    if len(typed) < len(seeds):
        lists = replace(lists, pages=(*lists.pages, Path(STANDARD_INPUT)))
    with gathered(lists) as files:
        yield typed, files


def without_pipes(words: Sequence[str], folder: Path) -> Iterator[str]:
    """A command line's *words* without lists from standard input; with *folder*, if there were any."""
    if STANDARD_INPUT not in words:
        yield from words
        return
    flags = {"-i", "--input", "-I", "--image-list"}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word != STANDARD_INPUT and not (word in flags and following == STANDARD_INPUT):
            yield word
    if not any(word.startswith(("-o", "--output")) for word in words):
        yield from ("-o", str(folder))
