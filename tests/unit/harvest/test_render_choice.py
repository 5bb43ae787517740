"""Which pages are opened in a browser as well."""

from __future__ import annotations

from crawler.config import ScopeConfig
from crawler.harvest.render_choice import RenderChoice
from crawler.harvest.script_signs import ScriptSigns
from crawler.models import NewTask, Origin, Task, TaskKind, TemplateAnswer, TemplateVerdict
from crawler.scope import Scope

URL = "https://e.example/a"
TASK = Task(
    id=1,
    serial=1,
    kind=TaskKind.PAGE,
    url=URL,
    depth=2,
    attempt=1,
    origin=Origin(page_url="https://e.example/", found_in="a"),
)
LOOKS = ScriptSigns(template="f/t")
STRONG = ScriptSigns(template="f/t", signs=("scripts", "mount"))


class Queue:
    def __init__(
        self, verdict: TemplateVerdict = TemplateVerdict.UNKNOWN, *, has_renderer: bool = True
    ) -> None:
        self.answer = TemplateAnswer(verdict=verdict, has_renderer=has_renderer)
        self.asked: list[tuple[str, str]] = []

    def template(self, *, host: str, name: str, task: int | None = None) -> TemplateAnswer:
        assert task is None
        self.asked.append((host, name))
        return self.answer


def decided(setting: str, looks: ScriptSigns | None, queue: Queue | None) -> tuple[str, list[NewTask]]:
    renders = RenderChoice(setting, Scope(("https://e.example/",), ScopeConfig()), queue, clock=lambda: 0.0)
    return renders.of(TASK, looks, url=URL)


def test_never_means_never() -> None:
    assert decided("never", STRONG, Queue()) == ("never", [])


def test_a_page_without_scripts_is_left_as_it_is() -> None:
    queue = Queue()
    assert decided("auto", None, queue) == ("static", [])
    assert not queue.asked


def test_always_means_every_page_whatever_was_learned() -> None:
    said, tasks = decided("always", None, Queue(TemplateVerdict.SKIP, has_renderer=False))
    assert said == "queued"
    assert [(task.kind, task.url, task.depth) for task in tasks] == [(TaskKind.RENDER, URL, 2)]
    assert tasks[0].origin is not None
    assert tasks[0].origin.signs == "always"


def test_what_is_not_known_yet_is_queued() -> None:
    said, tasks = decided("auto", LOOKS, Queue())
    assert said == "queued"
    assert tasks[0].origin == Origin(
        page_url="https://e.example/", found_in="a", template="f/t", signs="scripts"
    )


def test_a_template_that_brings_nothing_is_not() -> None:
    assert decided("auto", STRONG, Queue(TemplateVerdict.SKIP)) == ("no-gain", [])


def test_without_anybody_to_render_only_what_wants_it_plainly_is_queued() -> None:
    assert decided("auto", LOOKS, Queue(has_renderer=False)) == ("no-browser", [])
    assert decided("auto", STRONG, Queue(has_renderer=False))[0] == "queued"


def test_routes_are_pages_of_their_own_within_the_scope() -> None:
    looks = ScriptSigns(template="f/t", routes=("https://e.example/#/one", "https://other.example/#/two"))
    _, tasks = decided("auto", looks, Queue())
    assert [(task.url, task.depth) for task in tasks] == [(URL, 2), ("https://e.example/#/one", 3)]


def test_the_queue_is_asked_once_in_a_while() -> None:
    queue, now = Queue(TemplateVerdict.SKIP), [0.0]
    renders = RenderChoice("auto", Scope(("https://e.example/",), ScopeConfig()), queue, clock=lambda: now[0])
    for _ in range(5):
        renders.of(TASK, LOOKS, url=URL)
    assert queue.asked == [("https://e.example", "f/t")]
    now[0] = 61.0
    renders.of(TASK, LOOKS, url=URL)
    assert len(queue.asked) == 2
