"""docs/modules.md, made of the modules' own first lines: ``python -m tests.generators.modules``.

test_modules.py compares them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import crawler

ROOT = Path(crawler.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "modules.md"
FOREIGN = {"lua": "--", "js": "//", "sql": "--"}
"""Other languages within the package, by suffix, and what their comments begin with."""
_OTHERS = ".min.js"
"""How files of other projects end, which are kept as they were published."""


def page() -> str:
    return "\n".join(_lines()) + "\n"


def about(file: Path) -> str:
    """The first sentence that *file* says of itself, on one line."""
    text = file.read_text(encoding="utf-8")
    if mark := FOREIGN.get(file.suffix.removeprefix(".")):
        lines = text.splitlines()
        comment = [line.removeprefix(mark).strip() for line in lines[: _comment_length(lines, mark)]]
        said = " ".join(comment)
    else:
        said = " ".join((ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].split())
    sentence = re.match(r"(?:.*?[^A-Z])??\.(?= |$)", said)
    return (sentence[0] if sentence else said).rstrip(".").replace("|", "\\|")


def _comment_length(lines: list[str], mark: str) -> int:
    return next((n for n, line in enumerate(lines) if not line.startswith(mark)), len(lines))


def _lines() -> Iterator[str]:
    yield "# Every module"
    yield ""
    yield "Made of the modules' own first lines by `python -m tests.generators.modules`."
    yield "[CONTRIBUTING](../CONTRIBUTING.md#the-map) has the map of the packages."
    for folder in sorted({ROOT, *(path.parent for path in ROOT.rglob("*.py"))}):
        name = folder.relative_to(ROOT.parent).as_posix()
        yield ""
        yield f"## {name}/"
        yield ""
        if folder != ROOT and (said := about(folder / "__init__.py")):
            yield f"{said}."
            yield ""
        yield "| module | what it is |"
        yield "|---|---|"
        files = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
        files += foreign(folder) if folder != ROOT else []
        for path in _own(folder, files):
            name = path.name if path.parent == folder else path.relative_to(ROOT).as_posix()
            yield f"| `{name}` | {about(path)} |"


def foreign(folder: Path) -> list[Path]:
    """Our files in other languages below *folder*."""
    found = [path for suffix in FOREIGN for path in sorted(folder.rglob(f"*.{suffix}"))]
    return [path for path in found if not path.name.endswith(_OTHERS)]


def _own(folder: Path, files: list[Path]) -> Iterator[Path]:
    """*files* without those of a package within *folder*, which has a table of its own."""
    for path in files:
        inner = [parent for parent in path.relative_to(folder).parents if str(parent) != "."]
        if not any((folder / parent / "__init__.py").exists() for parent in inner):
            yield path


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
