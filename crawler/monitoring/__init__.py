"""What a crawl is doing, in figures and words: why it waits, in what state it is, how fast it goes."""
