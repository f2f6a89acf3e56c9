"""The only writers of entities: each function validates, then changes, audits and announces in one transaction."""
