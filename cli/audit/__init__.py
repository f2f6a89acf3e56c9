"""The `audit` commands: proof that the audit log was not altered, and its rows for other tools."""
