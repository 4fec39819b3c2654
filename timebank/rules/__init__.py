"""Mutual aid, pure: who may do what, which entry follows, what the public sees."""
