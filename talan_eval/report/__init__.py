"""One table model and one set of words, for the terminal and for Markdown; reads the published result only."""
