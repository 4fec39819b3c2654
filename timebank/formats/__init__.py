"""Files of the outside world: spreadsheets, other systems' exports, journals. Bytes in, lines out, and back."""
