"""Near-duplicates: which dHashes are in one group, and what is told of it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crawler.catalog.similar
from crawler.catalog import Catalog
from crawler.catalog.similar import MAX_DISTANCE, Alike, group_numbers, groups, similar
from crawler.cli import main
from crawler.models import ImageRecord, ImageStatus
from tests.support.crawls import SITE, keep, saved

SPARSE = st.sets(st.integers(0, 63), max_size=9).map(lambda bits: sum(1 << bit for bit in bits))
HASHES = st.one_of(
    *(
        st.lists(one, max_size=12, unique=True)
        for one in (st.integers(0, 2**64 - 1), st.integers(0, 2**20 - 1), SPARSE)
    )
)


def picture(folder: Path, name: str, dhash: int | None, **facts: object) -> ImageRecord:
    text = "" if dhash is None else f"{dhash:016x}"
    return saved(folder, f"{SITE}/{name}", name.encode(), dhash=text, **facts)


def found(folder: Path, distance: int = 4) -> list[Alike]:
    with Catalog(folder) as catalog:
        return list(similar(catalog, distance=distance))


def names(alike: Alike) -> list[str]:
    return [one.url.rpartition("/")[2] for one in alike.pictures]


def test_the_same_picture_in_other_sizes_is_one_group_the_largest_first(tmp_path: Path) -> None:
    dog, cat = 0xF0F0_F0F0_1234_5678, 0x0F0F_0F0F_8765_4321
    folder = keep(
        tmp_path,
        picture(tmp_path, "small.jpg", dog ^ 0b1, width_px=80, height_px=60),
        picture(tmp_path, "large.webp", dog, width_px=800, height_px=600),
        picture(tmp_path, "middle.jpg", dog ^ (1 << 63) ^ (1 << 31), width_px=400, height_px=300),
        picture(tmp_path, "cat.jpg", cat, width_px=400, height_px=300),
        picture(tmp_path, "drawing.svg", None),
        picture(tmp_path, "other.svg", None),
    )
    assert [names(alike) for alike in found(folder)] == [["large.webp", "middle.jpg", "small.jpg"]]
    assert found(folder, 0) == []


def test_the_same_hash_is_alike_at_any_distance_and_the_same_bytes_are_one_file(tmp_path: Path) -> None:
    one, two = picture(tmp_path, "a.jpg", 0x1234), picture(tmp_path, "b.png", 0x1234)
    copy = ImageRecord(
        url=f"{SITE}/copy.jpg",
        status=ImageStatus.DUPLICATE,
        path=one.path,
        sha256=one.sha256,
        dhash=one.dhash,
    )
    alone = picture(tmp_path, "alone.jpg", 0xFFFF_0000_FFFF_0000)
    again = ImageRecord(
        url=f"{SITE}/again.jpg",
        status=ImageStatus.DUPLICATE,
        path=alone.path,
        sha256=alone.sha256,
        dhash=alone.dhash,
    )
    folder = keep(tmp_path, one, two, copy, alone, again)
    assert [sorted(names(alike)) for alike in found(folder, 0)] == [["a.jpg", "b.png"]]


def test_the_largest_group_comes_first(tmp_path: Path) -> None:
    pairs = [picture(tmp_path, f"pair{n}.jpg", 0xAAAA_0000_AAAA_0000) for n in range(2)]
    many = [picture(tmp_path, f"many{n}.jpg", 0x5555_FFFF_5555_0000) for n in range(3)]
    assert [len(alike.pictures) for alike in found(keep(tmp_path, *pairs, *many))] == [3, 2]


@pytest.mark.parametrize("few", [2, 64])
@given(HASHES, st.integers(0, MAX_DISTANCE), st.data())
def test_no_pair_within_the_distance_is_missed_and_no_group_without_one(
    few: int, hashes: list[int], distance: int, data: st.DataObject
) -> None:
    """Bands are an index only: the groups are those of comparing each with each."""
    near = [
        dhash ^ sum(1 << bit for bit in data.draw(st.sets(st.integers(0, 63), max_size=distance + 1)))
        for dhash in hashes
    ]
    all_of_them = list(dict.fromkeys(hashes + near))
    expected = {dhash: {dhash} for dhash in all_of_them}
    for one in all_of_them:
        for other in all_of_them:
            if (one ^ other).bit_count() <= distance and expected[one] is not expected[other]:
                expected[one] |= expected[other]
                for member in expected[other]:
                    expected[member] = expected[one]
    with patch.object(crawler.catalog.similar, "_FEW", few):
        leaders = groups(all_of_them, distance=distance)
    for dhash in all_of_them:
        assert {other for other in all_of_them if leaders[other] == leaders[dhash]} == expected[dhash]


@pytest.mark.parametrize("flat", [32, 44])
def test_pictures_with_a_sky_are_not_all_compared_with_each_other(flat: int) -> None:
    """All in one bucket of the upper bits: 12,500,000 pairs, and few of them alike."""
    looks = 0

    class Counted(int):
        def __xor__(self, other: int) -> int:
            nonlocal looks
            looks += 1
            return int(self) ^ int(other)

    random = Random(1)
    hashes = [Counted(bits << (64 - flat)) for bits in random.sample(range(2 ** min(flat, 32)), 5000)]
    groups(list(hashes), distance=2)
    assert looks < 1_250_000


def test_a_hash_that_is_none_is_left_out(tmp_path: Path) -> None:
    folder = keep(
        tmp_path,
        picture(tmp_path, "a.jpg", 0x7F),
        picture(tmp_path, "b.jpg", 0xFF),
        *(
            saved(tmp_path, f"{SITE}/{number}.png", b"%d" % number, dhash=text)
            for number, text in enumerate(["nonsense", "0x7", "-7", "7" * 17, "7" * 5000, "1_0"])
        ),
    )
    assert [sorted(names(alike)) for alike in found(folder)] == [["a.jpg", "b.jpg"]]


def test_pictures_that_are_all_but_plain_are_not_taken_for_each_other(tmp_path: Path) -> None:
    plain = [0, 0b1011, 2**64 - 1, 2**64 - 1 - (0b11 << 40)]
    told = [0b11111, 0b111110]
    folder = keep(
        tmp_path, *(picture(tmp_path, f"{n}.png", dhash) for n, dhash in enumerate([*plain, *told]))
    )
    assert [sorted(names(alike)) for alike in found(folder)] == [["4.png", "5.png"]]
    with Catalog(folder) as catalog:
        assert group_numbers(catalog, distance=4).keys() == set(told)


@pytest.mark.parametrize("distance", [-1, MAX_DISTANCE + 1])
def test_a_distance_that_makes_no_sense_is_refused(tmp_path: Path, distance: int) -> None:
    with pytest.raises(ValueError, match="between 0 and 10"):
        found(keep(tmp_path), distance)


def test_inspect_lists_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = keep(
        tmp_path,
        picture(tmp_path, "a.jpg", 0x7F, width_px=800, height_px=600, format="jpeg"),
        picture(tmp_path, "b.png", 0xFF, width_px=80, height_px=60, format="png"),
    )
    assert main(["inspect", str(folder), "--similar"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["800", "x", "600", "jpeg", "5", "bytes", "images/garden.example/a.jpg"]
    assert second.endswith("images/garden.example/b.png")
    assert main(["inspect", str(folder), "--similar", "--json"]) == 0
    assert [one["dhash"] for one in json.loads(capsys.readouterr().out)["pictures"]] == [
        f"{0x7F:016x}",
        f"{0xFF:016x}",
    ]
    assert main(["inspect", str(folder), "--similar", "--distance", "0"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no two files look alike\n")
    assert main(["inspect", str(folder), "--similar", "--distance", "65"]) == 2
