"""The command line: a surface on the public API, without decisions of its own."""
