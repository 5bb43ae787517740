"""The log: its events, what became of each task, and the ways out of a process."""
