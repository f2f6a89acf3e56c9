"""Guardrails on a call: which texts of a request and an answer they see, and what becomes of the bytes."""
