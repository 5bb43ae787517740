"""Pages that scripts make: opened in a browser without a network, which our own transport answers."""
