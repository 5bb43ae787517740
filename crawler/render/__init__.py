"""Renders pages that scripts make, in a browser without a network: our own transport answers its requests."""
