"""Fuzzing: bytes that nobody thought of, into every parser of foreign bytes, and into the wire as one with the key.

A target is a module in ``targets`` with ``fuzz(data)``, which asserts what has to be true whatever the bytes are. What
has been found is kept, minimised, in ``corpus``, next to seeds; tests/unit/support/test_fuzz.py tries
all of it, and mutations.

    python -m tests.fuzz TARGET|all --minutes N
"""
