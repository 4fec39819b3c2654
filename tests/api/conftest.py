"""The cast is here."""

from tests.cast import cast, house, stage, today

__all__ = ["cast", "house", "stage", "today"]
