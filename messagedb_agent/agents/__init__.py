"""What library users hold: the engine on a store, and agents as immutable states of threads."""
