"""What the papers say is so: links and anchors lead somewhere, commands parse, files, flags and settings exist."""

from __future__ import annotations

import ast
import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
import yaml

import crawler
from crawler.cli import COMMANDS, cli
from crawler.config import AUTHKEY_VARIABLE, QUEUE_PASSWORD_VARIABLE, SETTINGS
from crawler.crawlfile import schema
from tests.support.documents import PAPERS, ROOT, anchors, blocks, command_lines, links, prose, spans, text_of

MANUAL = [paper for paper in PAPERS if paper.startswith("docs/")]
_MEASURING = {"docs/benchmarks.md", "docs/performance.md"}
USERS = ["README.md", *(paper for paper in MANUAL if paper not in _MEASURING)]
"""Those that speak of no other program's options, but for OTHERS."""
OTHERS = {"--security-opt", "--profile", "--target", "--scale"}
EXAMPLES = {"queues/x.py", "storage/x.py", "http/x.py"}
"""Files that somebody may add."""
_FILE = re.compile(r"[\w./-]+\.(?:py|lua|sql|toml|md|json|yml|yaml)")
_FOLDER = re.compile(r"(?:crawler|tests|config|docs)/[\w./-]+")
_MODULE = re.compile(r"(?<![\w/-])(?:crawler|tests)(?:\.\w+)+")
_VALUE = r"(?P<number>\d[\d,]*)(?: (?P<unit>s|minutes|MiB))?"
_DEFAULTS = [
    re.compile(rf"^\| `(?P<flag>--[\w-]+)[^`|]*` \| {_VALUE} \|", re.MULTILINE),
    re.compile(rf"^\| {_VALUE}\b[^|]*\| `(?P<flag>--[\w-]+)` \|", re.MULTILINE),
    re.compile(rf"`(?P<flag>--[\w-]+)` \({_VALUE}\)"),
]
"""Where a default is told: after its flag in a table, before it in one, or in brackets behind it."""
_UNITS = {"": 1, "s": 1, "minutes": 60, "MiB": 2**20}
each_paper = pytest.mark.parametrize("paper", PAPERS)


def test_there_are_papers() -> None:
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} <= set(PAPERS)
    assert len(MANUAL) > 15


@each_paper
def test_every_link_and_anchor_leads_somewhere(paper: str) -> None:
    broken = []
    for target in links(paper):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (ROOT / paper).parent / path if path else ROOT / paper
        named = file.resolve().relative_to(ROOT.resolve()).as_posix()
        if not file.exists() or (anchor and anchor not in anchors(named)):
            broken.append(target)
    assert broken == []


@each_paper
def test_nothing_of_a_link_is_unknown(paper: str) -> None:
    """Whatever looks like a link is one of the kind that the test before this one reads."""
    assert len(links(paper)) == re.sub(r"`[^`\n]+`", "", prose(paper)).count("](")


@pytest.mark.parametrize("paper", MANUAL)
def test_every_page_of_the_manual_has_one_title_and_is_in_the_index(paper: str) -> None:
    assert len(re.findall(r"^# ", prose(paper), re.MULTILINE)) == 1
    assert text_of(paper).startswith("# ")
    if paper != "docs/README.md":
        assert Path(paper).name in links("docs/README.md")


@pytest.mark.parametrize(
    ("paper", "words"),
    [(paper, words) for paper in PAPERS for words in command_lines(paper)],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_every_command_line_parses(paper: str, words: list[str]) -> None:
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None, f"{paper}: there is no command {words[0]}"
    with command.make_context(words[0], words[1:]) as ctx:
        assert ctx.params


@each_paper
def test_every_command_that_is_named_exists(paper: str) -> None:
    named = [span.split()[1] for span in spans(paper) if re.match(r"image-crawler [a-z]", span)]
    assert set(named) <= set(COMMANDS)


def options() -> set[str]:
    found = {"--version"}
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for param in command.get_params(click.Context(command)):
            found |= {*param.opts, *param.secondary_opts}
    return found


@pytest.mark.parametrize("paper", USERS)
def test_every_option_that_is_named_exists(paper: str) -> None:
    named = {re.split(r"[ =,]", span)[0] for span in spans(paper) if re.match(r"--[a-z]", span)}
    assert {name for name in named if not name.endswith(("…", "-SIGNAL"))} <= options() | OTHERS


def test_the_defaults_that_are_told_are_those_of_the_settings() -> None:
    told = [
        (paper, match["flag"], int(match["number"].replace(",", "")) * _UNITS[match["unit"] or ""])
        for paper in MANUAL
        for form in _DEFAULTS
        for match in form.finditer(text_of(paper))
    ]
    assert len(told) >= 10
    defaults = {flag: one.default for one in SETTINGS.values() for flag in (one.flag, *one.also)}
    assert [one for one in told if defaults[one[1]] != one[2]] == []


@each_paper
def test_every_variable_that_is_named_exists(paper: str) -> None:
    named = set(re.findall(r"\bIMAGE_CRAWLER_[A-Z_]*[A-Z]\b", text_of(paper)))
    variables = {setting.environment for setting in SETTINGS.values()}
    assert named <= variables | {AUTHKEY_VARIABLE, QUEUE_PASSWORD_VARIABLE}


@each_paper
def test_every_file_of_ours_that_is_named_exists(paper: str) -> None:
    missing = [span for span in spans(paper) if _FOLDER.fullmatch(span) and not (ROOT / span).exists()]
    for span in spans(paper):
        for name in _FILE.findall(span.partition("::")[0]):
            is_ours = "/" in name or name.endswith((".py", ".lua", ".sql"))
            if (
                is_ours
                and name not in EXAMPLES
                and not name.startswith(("http", "/", "."))
                and not _is_there(name)
            ):
                missing.append(name)
    assert missing == []


def _is_there(name: str) -> bool:
    """Below the root or the package; a name without a folder anywhere in the package, the tests or beside them."""
    if any((folder / name).exists() for folder in (ROOT, ROOT / "crawler")):
        return True
    return "/" not in name and any(
        True for folder in ("crawler", "tests", "config") for _ in (ROOT / folder).rglob(name)
    )


@each_paper
def test_every_module_that_is_named_exists(paper: str) -> None:
    texts = [*spans(paper), *blocks(paper, "sh", "console")]
    named = {name for text in texts for name in _MODULE.findall(text)}
    assert {name for name in named if not _imports(name)} == set()


def _imports(name: str) -> bool:
    """A module, or what one has of that name."""
    if name.startswith("tests."):
        return (ROOT / name.replace(".", "/")).with_suffix(".py").exists() or (
            ROOT / name.replace(".", "/")
        ).is_dir()
    home, _, attribute = name.rpartition(".")
    if find_spec(home) is None:
        return False
    return hasattr(importlib.import_module(home), attribute) or find_spec(name) is not None


@pytest.mark.parametrize("code", [code for paper in PAPERS for code in blocks(paper, "python")])
def test_python_examples_use_what_there_is(code: str) -> None:
    tree = ast.parse(code)
    of_names: dict[str, set[str]] = {"crawler": set(), "record": set(), "catalog": set()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in of_names:
            of_names[node.value.id].add(node.attr)
    assert of_names["crawler"] <= set(crawler.__all__)
    assert of_names["record"] <= set(dir(crawler.ImageRecord))
    assert of_names["catalog"] <= set(dir(crawler.Catalog))


def test_every_field_of_a_record_is_told() -> None:
    table = text_of("docs/python.md").partition("## The fields")[2].partition("\n## ")[0]
    told = re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    assert sorted(told) == sorted(crawler.ImageRecord.__struct_fields__)


def test_every_command_is_listed() -> None:
    listed = re.findall(r"^\| `image-crawler (\w+)", text_of("docs/commands.md"), re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)


def test_one_version_is_named_everywhere() -> None:
    changelog = text_of("CHANGELOG.md")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    assert newest is not None
    assert changelog.index("## [Unreleased]") < newest.start()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["date-released"]) == newest.groups()
    assert newest[1] == crawler.__version__


def test_the_workflow_runs_what_the_readme_says() -> None:
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert "bash .ci/run" in [step.get("run") for step in jobs["everything"]["steps"]]
    matrix = jobs["readme"]["strategy"]["matrix"]
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    patterns = re.findall(r"grep -E '([^']+)' README\.md", text)
    found = [re.findall(pattern, text_of("README.md"), re.MULTILINE) for pattern in patterns]
    assert list(map(len, found)) == [1, 1]
    assert [line.rpartition("/")[2] for (line,) in found] == ["image-crawler demo", "pytest"]


def test_the_schemas_that_are_read_are_told() -> None:
    told = text_of("docs/upgrading.md")
    assert f"| this version (schema {schema.SCHEMA_VERSION}) |" in told
    assert f"| versions with schema {min(schema.STEPS)} to {max(schema.STEPS)} |" in told
    assert max(schema.STEPS) == schema.SCHEMA_VERSION - 1
