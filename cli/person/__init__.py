"""What is stored about one person, and how it is forgotten."""
