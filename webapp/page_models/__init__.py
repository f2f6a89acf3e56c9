"""What each page is given: one frozen dataclass a page; nothing here queries or renders."""
