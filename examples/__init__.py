"""Small programs, each complete; the docstring of each says how to run it."""
