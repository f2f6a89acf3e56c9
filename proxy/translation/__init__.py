"""Between the wire formats: pure functions from each of them to one neutral form and back. Nothing here waits."""
