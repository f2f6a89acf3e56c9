"""When a program that died is started again. Pure: no clock, no process."""

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0
# A program that lived this long was healthy; its next death starts the count anew.
HEALTHY_SECONDS = 10.0


def next_delay_seconds(previous_seconds: float, lived_seconds: float) -> float:
    """Return how long to wait before the next start; ``previous_seconds`` is 0 before the first death."""
    if previous_seconds == 0 or lived_seconds >= HEALTHY_SECONDS:
        return FIRST_SECONDS
    return min(previous_seconds * 2, LONGEST_SECONDS)
