"""The `langwatch` command: starts the programs, applies configuration, reads the ledger."""
