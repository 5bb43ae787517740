"""What a crawl is doing, in figures and words: its state, its rate, and the reasons why it waits."""
