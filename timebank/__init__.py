"""timebank: the open book for a common pot of hours and of money."""

__version__ = "0.1.0"
