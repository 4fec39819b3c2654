"""What the book can do per second, measured against baselines that are not made slow on purpose."""
