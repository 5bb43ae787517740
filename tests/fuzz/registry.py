"""What is fuzzed, and where its inputs are kept."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import targets

Target = Callable[[bytes], None]

CORPUS = Path(__file__).parent / "corpus"
TARGETS = tuple(sorted(module.name for module in pkgutil.iter_modules(targets.__path__)))
WEIGHTS = {"images": 5, "calls": 5, "wire": 3, "documents": 3, "html": 2, "image_parts": 2, "fetch": 2}
"""Shares of the time: images and the wire are where most is at stake."""


def target(name: str) -> Target:
    fuzz: Target = importlib.import_module(f"tests.fuzz.targets.{name}").fuzz
    return fuzz


def corpus(name: str) -> dict[str, bytes]:
    """The kept inputs of a target, by file name."""
    return {file.name: file.read_bytes() for file in sorted((CORPUS / name).iterdir())}
