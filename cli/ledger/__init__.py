"""Reads the ledger for people and spreadsheets: database rows, completed from what is not yet shipped."""
