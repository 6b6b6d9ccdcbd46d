"""From what is asked for and what exists to the next writes."""
