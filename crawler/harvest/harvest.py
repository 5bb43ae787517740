"""What one document holds: its images and links as tasks, and what a handler has to know of it besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from crawler.harvest.script_signs import ScriptSigns
from crawler.models import NewTask, Value

if TYPE_CHECKING:
    from crawler.harvest.tasks import Document

MOST_TITLE_CHARS = 500


class DocumentFacts(Value):
    """What is known of a document beside its tasks."""

    title: Annotated[str, Meta(max_length=MOST_TITLE_CHARS)] = ""
    left_out: Mapping[str, int] = {}
    """Number of things that were not read or not taken, by a slug of LEFT_OUT; tasks that are kept out do not count."""
    kind: str = ""
    """A_PAGE, A_FEED, AN_ATTACHMENT, or empty; see link_filter.py."""
    dots: frozenset[str] = frozenset()
    """URLs of tracking pixels: images of at most one pixel. Each page of a site has a new one."""
    looks: ScriptSigns | None = None
    """Signs of scripts; None unless some pages are rendered in a browser."""
    against_images: str = ""
    """The owner's directive against taking any image of the page, if it is obeyed: a slug of LEFT_OUT."""
    against_links: str = ""
    """The owner's directive against following any link of the page, if it is obeyed: a slug of LEFT_OUT."""


class Harvest(DocumentFacts):
    """The images and links of one document. No task is in two of the three tuples."""

    images: tuple[NewTask, ...] = ()
    links: tuple[NewTask, ...] = ()
    kept_out: tuple[NewTask, ...] = ()
    """Images and links that are not to be visited, each with what forbids it."""

    @property
    def is_empty(self) -> bool:
        return not (self.images or self.links or self.kept_out)

    @classmethod
    def of(
        cls, page: Document, images: tuple[NewTask, ...], links: tuple[NewTask, ...] = (), **facts: Any
    ) -> Harvest:
        """The harvest of *page*, its tasks sorted by whether something forbids them; *facts* are further fields."""
        return cls(
            title=page.title,
            left_out=dict(+page.left_out),
            images=tuple(task for task in images if not task.kept_out_by),
            links=tuple(task for task in links if not task.kept_out_by),
            kept_out=tuple(task for task in (*images, *links) if task.kept_out_by),
            **facts,
        )
