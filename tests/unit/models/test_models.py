"""The values that travel: frozen, the same after a journey, and with sums that hold."""

from __future__ import annotations

from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler import models
from crawler.models import (
    Batch,
    Counts,
    ImageRecord,
    ImageStatus,
    Lease,
    NewTask,
    PageRecord,
    Result,
    Stats,
    Task,
    TaskKind,
    TaskState,
    Token,
    WorkerState,
)

pytestmark = pytest.mark.untraced

VALUES = [
    cls
    for cls in vars(models).values()
    if isinstance(cls, type) and issubclass(cls, models.Value) and cls is not models.Value
]


def values_of(kind: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - a case each
    """Any value of a type as models are made of; numbers as large as a message can carry."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if get_origin(kind) is Annotated:
        base, meta = get_args(kind)
        if base is float:
            return st.floats(meta.ge, meta.le)
        if base is int:
            return st.integers(meta.ge, meta.le)
        if meta.pattern is not None:
            return st.from_regex(meta.pattern, fullmatch=True)
        return values_of(base).filter(lambda value: len(value) <= meta.max_length)
    if get_origin(kind) in {UnionType, Union}:
        return st.one_of([values_of(part) for part in get_args(kind)])
    if get_origin(kind) is tuple:
        return st.lists(values_of(get_args(kind)[0]), max_size=3).map(tuple)
    if get_origin(kind) is dict:
        return st.dictionaries(*(values_of(part) for part in get_args(kind)), max_size=3)
    if issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    hints = get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{name: values_of(hints[name]) for name in kind.__struct_fields__})


SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=20),
    bytes: st.binary(max_size=20),
    bool: st.booleans(),
    type(None): st.none(),
}


@pytest.mark.sampled(3)
@pytest.mark.slow
@pytest.mark.parametrize("cls", VALUES)
@settings(max_examples=30)
@given(data=st.data())
def test_every_value_survives_the_journey(cls: type[models.Value], data: st.DataObject) -> None:
    """As messages, and as JSON for people and tools."""
    value = data.draw(values_of(cls))
    for codec in (msgspec.msgpack, msgspec.json):
        assert codec.decode(codec.encode(value), type=cls) == value


def _numbers(kind: Any) -> list[Any]:
    """The numbers of a type as models are made of, with what bounds them: None for those without."""
    if get_origin(kind) is Annotated:
        base, meta = get_args(kind)
        return [(base, meta)] if base in {int, float} else _numbers(base)
    if kind in {int, float}:
        return [(kind, None)]
    return [number for part in get_args(kind) for number in _numbers(part)]


@pytest.mark.parametrize("cls", VALUES)
def test_every_number_is_within_bounds_and_every_text(cls: type[models.Value]) -> None:
    hints = get_type_hints(cls, include_extras=True)
    for name in cls.__struct_fields__:
        for base, meta in _numbers(hints[name]):
            assert meta is not None, f"{cls.__name__}.{name} has no bounds"
            assert meta.ge is not None
            assert meta.le is not None
            for absurd in (
                (meta.ge - 1, float("nan"), float("inf"), float("-inf"))
                if base is float
                else (
                    meta.ge - 1,
                    min(meta.le + 1, 2**64 - 1),
                )
            ):
                bare = Annotated[base, meta]
                with pytest.raises(msgspec.ValidationError):
                    msgspec.msgpack.decode(msgspec.msgpack.encode(absurd), type=bare)
        assert hints[name] is not str, f"{cls.__name__}.{name} may be of any length"


@pytest.mark.parametrize("cls", VALUES)
def test_values_are_frozen(cls: type[models.Value]) -> None:
    assert cls.__struct_config__.frozen


def test_a_value_is_changed_by_replacement_only() -> None:
    token = Token(id=1, serial=2)
    with pytest.raises(AttributeError):
        token.serial = 3  # type: ignore[misc]
    assert msgspec.structs.replace(token, serial=3) == Token(id=1, serial=3)
    assert token.serial == 2


def test_an_older_reader_is_not_troubled_by_new_fields() -> None:
    record = msgspec.to_builtins(ImageRecord(url="http://a.example/", status=ImageStatus.SAVED))
    assert msgspec.convert(record | {"from_the_future": 1}, ImageRecord).url == "http://a.example/"


def test_what_is_not_said_takes_no_room() -> None:
    task = NewTask(kind=TaskKind.IMAGE, url="http://a.example/1.png")
    assert msgspec.json.decode(msgspec.json.encode(task)) == {
        "kind": "image",
        "url": "http://a.example/1.png",
    }


def test_a_record_says_of_what_kind_it_is() -> None:
    image = msgspec.json.encode(ImageRecord(url="u", status=ImageStatus.SAVED))
    page = msgspec.json.encode(PageRecord(url="u", status=models.PageStatus.HARVESTED))
    assert type(msgspec.json.decode(image, type=ImageRecord | PageRecord)) is ImageRecord
    assert type(msgspec.json.decode(page, type=ImageRecord | PageRecord)) is PageRecord


def test_a_tasks_token_is_its_id_and_serial() -> None:
    task = Task(id=3, serial=9, kind=TaskKind.PAGE, url="u", depth=0, attempt=2)
    assert task.token == Token(id=3, serial=9)
    assert msgspec.json.encode(task.token) == b"[3,9]"


def test_counts_have_a_field_for_every_state() -> None:
    assert set(Counts.__struct_fields__) == {state.value for state in TaskState}


@given(st.lists(st.integers(0, 1000), min_size=5, max_size=5))
def test_counts_add_up(numbers: list[int]) -> None:
    ready, delayed, leased, done, dead = numbers
    counts = Counts(ready=ready, delayed=delayed, leased=leased, done=done, dead=dead)
    assert counts.discovered == sum(numbers)
    assert counts.unsettled == counts.discovered - done - dead


@pytest.mark.parametrize(
    ("counts", "status", "balanced"),
    [
        (Counts(), {}, True),
        (Counts(done=3, dead=1), {"saved": 2, "failed": 1, "dead": 1}, True),
        (Counts(done=3, dead=1), {"saved": 3}, False),
        (Counts(done=3), {"saved": 4}, False),
        (Counts(done=3, ready=1), {"saved": 4}, False),
        (Counts(done=3, leased=1), {"saved": 3}, False),
        (Counts(done=3, delayed=1), {"saved": 3}, False),
    ],
)
def test_the_books_balance_when_every_image_has_one_record(
    counts: Counts, status: dict[str, int], *, balanced: bool
) -> None:
    assert Stats(images=counts, image_status=status).balanced is balanced


def test_empty_answers_are_the_defaults() -> None:
    lease = Lease()
    assert (lease.batches, lease.drained, lease.halted) == ((), False, None)
    assert Stats().drained is False
    assert msgspec.msgpack.encode(Lease()) == b"\x80"


def test_nested_values_cross_typed() -> None:
    task = Task(id=1, serial=1, kind=TaskKind.IMAGE, url="u", depth=1, attempt=1)
    lease = Lease(batches=(Batch(host="h", slots=2, tasks=(task,)),))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(lease), type=Lease) == lease
    result = Result(token=task.token, record=ImageRecord(url="u", status=ImageStatus.SAVED))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(result), type=Result) == result
    assert WorkerState(id="w", kind=TaskKind.PAGE).busy == ()
