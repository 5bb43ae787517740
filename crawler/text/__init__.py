"""Words for people: errors in plain words, text of others made safe to show, suggestions."""
