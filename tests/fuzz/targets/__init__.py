"""One module for each thing that reads foreign bytes: ``fuzz`` raises if anything about it is not as it has to be."""
