"""One call from its bytes to its ledger record. ``stages.py`` has the order; one module a stage."""
