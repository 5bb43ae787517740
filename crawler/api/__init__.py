"""What the library offers in Python beside the command line: records as they come, progress, notebooks."""
