"""Use cases: one function per verb; owns the transaction, returns data, never prose."""
