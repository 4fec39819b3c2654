"""The book, pure: double entry, corrections, floors, canonical bytes, the live tree; no clock, no chance."""
