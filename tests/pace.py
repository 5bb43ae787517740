"""How much is tried where time is measured; less where a tracer (coverage) makes everything ten times slower."""

from __future__ import annotations

import sys

HOSTILE_BYTES = 2**20 if sys.gettrace() is None else 2**16
"""Of input that is as bad as can be."""
