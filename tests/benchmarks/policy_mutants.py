"""Each use of each number of the queue's policy, replaced by the number itself: is a test red?

    python -m tests.benchmarks.policy_mutants [--only NAME,NAME]

A use is ``POLICY.NAME`` in Lua or ``policy.NAME`` in a function of Python; with its number in that place the engine
works as before, but goes by the constant no longer. The constants themselves are mutants as well: twice as much. Prints
a line for each, and how many survived. All is changed in this process alone; it takes some ten minutes.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from crawler.queues import policy
from crawler.queues.redis import scripts
from tests.support import policy as support

ROOT = Path(__file__).parents[2]
QUEUES = ROOT / "crawler/queues"
_TEST = str(ROOT / "tests/unit/queues/test_policy.py")
_BITS = ("FLAG_", "NOTE_")
NUMBERS = {
    name: value
    for name, value in vars(policy).items()
    if name.isupper() and isinstance(value, int | float) and not name.startswith(_BITS)
}


@dataclass(frozen=True)
class Mutant:
    """A use between two offsets of a file; of a constant itself without a file."""

    name: str
    path: Path | None = None
    start: int = 0
    end: int = 0

    def __str__(self) -> str:
        if self.path is None:
            return f"policy.py {self.name} = {NUMBERS[self.name] * 2!r}"
        line = self.path.read_text(encoding="utf-8").count("\n", 0, self.start) + 1
        return f"{self.path.relative_to(QUEUES)}:{line} {self.name} -> {NUMBERS[self.name]!r}"

    @property
    def text(self) -> str:
        """Of the file."""
        assert self.path is not None
        text = self.path.read_text(encoding="utf-8")
        return f"{text[: self.start]}{NUMBERS[self.name]!r}{text[self.end :]}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="names, comma-separated")
    only = {name for name in parser.parse_args().only.split(",") if name}
    if _is_red(""):
        sys.exit("the tests are red as it is")
    survivors = 0
    for mutant in mutants():
        if not only or mutant.name in only:
            with _made(mutant):
                chosen = ("purpose",) if mutant.path is None else (mutant.name, "not both")
                is_red = any(map(_is_red, chosen))
            print("red     " if is_red else "SURVIVES", mutant, flush=True)
            survivors += not is_red
    print(f"{survivors} survived")
    return survivors


def mutants() -> Iterator[Mutant]:
    yield from map(Mutant, NUMBERS)
    for path in sorted(QUEUES.rglob("*")):
        if path.suffix in {".py", ".lua"} and path.name != "policy.py":
            for start, end, name in _uses(path.suffix, path.read_text(encoding="utf-8")):
                if name in NUMBERS:
                    yield Mutant(name, path, start, end)


def _uses(suffix: str, text: str) -> Iterator[tuple[int, int, str]]:
    if suffix == ".lua":
        for found in re.finditer(r"\bPOLICY\.([A-Z_]+)", text):
            yield *found.span(), found[1]
        return
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef):
            for node in (node for part in function.body for node in ast.walk(part)):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "policy":
                    start = starts[node.lineno - 1] + node.col_offset  # these lines are ASCII up to there
                    assert text[start:].startswith("policy."), text[start : start + 20]
                    yield start, start + len("policy.") + len(node.attr), node.attr


@contextmanager
def _made(mutant: Mutant) -> Iterator[None]:
    if mutant.path is None:
        with support.changed(**{mutant.name: NUMBERS[mutant.name] * 2}):
            yield
    elif mutant.path.suffix == ".lua":
        with pytest.MonkeyPatch.context() as patched:
            name, text = str(mutant.path.relative_to(QUEUES / "redis/lua")), mutant.text
            read = scripts._read
            patched.setattr(scripts, "_read", lambda asked: text if asked == name else read(asked))
            with support.changed():
                yield
    else:
        module = importlib.import_module(
            ".".join(mutant.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        )
        codes = dict(_codes(compile(mutant.text, str(mutant.path), "exec", dont_inherit=True)))
        functions = dict(_functions(module, str(mutant.path)))
        before = {name: function.__code__ for name, function in functions.items()}
        for name, function in functions.items():
            function.__code__ = codes[name]
        try:
            yield
        finally:
            for name, function in functions.items():
                function.__code__ = before[name]


def _codes(code: CodeType, prefix: str = "") -> Iterator[tuple[str, CodeType]]:
    """Of the functions and methods of a module."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            name = f"{prefix}{constant.co_name}"
            yield name, constant
            yield from _codes(constant, f"{name}.")


def _functions(of: object, path: str, prefix: str = "") -> Iterator[tuple[str, FunctionType]]:
    """Of a module or class, as far as they stand in the file *path*."""
    for name, member in list(vars(of).items()):
        value = getattr(member, "fget", None) or getattr(member, "__wrapped__", member)
        if isinstance(value, FunctionType) and value.__code__.co_filename == path:
            yield f"{prefix}{value.__code__.co_name}", value
        elif isinstance(value, type) and value.__qualname__ == f"{prefix}{name}":
            yield from _functions(value, path, f"{value.__qualname__}.")


def _is_red(chosen: str) -> bool:
    with redirect_stdout(io.StringIO()):
        done = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-p", "no:warnings", _TEST, "-k", chosen])
    return done == pytest.ExitCode.TESTS_FAILED


if __name__ == "__main__":
    sys.exit(main())
