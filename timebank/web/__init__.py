"""Pages: what people read in a browser, without script, in their language."""
