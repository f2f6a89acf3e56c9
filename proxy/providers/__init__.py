"""The kinds of upstream account: where their API lies and how a credential is presented to it."""
