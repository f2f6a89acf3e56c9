"""Load and latency of the gateway, as ratios to peers measured in the same run. See docs/howto."""
