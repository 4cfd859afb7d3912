"""Where messages are kept: Message DB, and a memory of the same contract."""
