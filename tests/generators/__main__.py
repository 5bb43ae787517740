"""``python -m tests.generators``: write anew all that is made of the code, but for the README's picture."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OTHERS = {"picture", "messages"}
"""One takes a terminal, the other prints."""


def main() -> None:
    for path in sorted(HERE.glob("*.py")):
        if path.stem not in OTHERS and not path.stem.startswith("_"):
            runpy.run_module(f"tests.generators.{path.stem}", run_name="__main__")
    keywords = HERE.parents[1] / "crawler/config/keywords.py"
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", keywords], check=True)


if __name__ == "__main__":
    main()
