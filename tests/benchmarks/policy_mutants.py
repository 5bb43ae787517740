"""Each use of each number of the queue's policy, replaced by the number itself: is a test red?

    python -m tests.benchmarks.policy_mutants [--only NAME,NAME]

A use is ``POLICY.NAME`` in Lua or ``policy.NAME`` in Python; with its number in that place the engine works as before,
but no longer goes by the constant. The definitions are mutants as well: there the number is another one. Prints a line
for each, and in the end how many survived. It works on a copy, and takes some 10 minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crawler.queues import policy

ROOT = Path(__file__).parents[2]
_TEST = "tests/unit/queues/test_policy.py"
_BITS = ("FLAG_", "NOTE_")


@dataclass(frozen=True)
class Mutant:
    path: Path
    """Below the root."""
    start: int
    end: int
    name: str
    text: str

    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.name} := {self.text}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="names, comma-separated")
    only = {name for name in parser.parse_args().only.split(",") if name}
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        for part in ("crawler", "tests", "config", "pyproject.toml"):
            target = copy / part
            target.parent.mkdir(exist_ok=True)
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / part, target)
        for mutant in list(_mutants(copy)):
            if only and mutant.name not in only:
                continue
            is_red = _is_red(copy, mutant)
            print("red     " if is_red else "SURVIVES", mutant, flush=True)
            if not is_red:
                survivors.append(mutant)
    print(f"{len(survivors)} survived")
    return bool(survivors)


def _numbers() -> dict[str, float]:
    return {
        name: value
        for name, value in vars(policy).items()
        if name.isupper() and isinstance(value, int | float) and not name.startswith(_BITS)
    }


def _mutants(root: Path) -> Iterator[Mutant]:
    numbers = _numbers()
    definitions = root / "crawler/queues/policy.py"
    for path in sorted((root / "crawler/queues").rglob("*")):
        if path.suffix not in {".py", ".lua"}:
            continue
        text = path.read_text(encoding="utf-8")
        is_definition = path == definitions
        pattern = r"^([A-Z_]+)(?:: Final)? = [^\n]+$" if is_definition else r"\b(?:policy|POLICY)\.([A-Z_]+)"
        for found in re.finditer(pattern, text, re.MULTILINE):
            name = found[1]
            if name in numbers:
                yield Mutant(
                    path=path.relative_to(root),
                    start=found.start(),
                    end=found.end(),
                    name=name,
                    text=f"{name} = {numbers[name] * 2!r}" if is_definition else repr(numbers[name]),
                    line=text.count("\n", 0, found.start()) + 1,
                )


def _is_red(copy: Path, mutant: Mutant) -> bool:
    path = copy / mutant.path
    before = path.read_text(encoding="utf-8")
    path.write_text(before[: mutant.start] + mutant.text + before[mutant.end :], encoding="utf-8")
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-x",
                "-p",
                "no:cacheprovider",
                _TEST,
                "-k",
                f"{mutant.name} or not both",
            ],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            check=False,
        )
    finally:
        path.write_text(before, encoding="utf-8")
    return done.returncode == 1


if __name__ == "__main__":
    sys.exit(main())
