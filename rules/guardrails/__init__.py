"""Checks of text: what is looked for, what a check says, and how a stream is held back until it is judged."""
