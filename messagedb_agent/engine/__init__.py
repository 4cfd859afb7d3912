"""What makes an agent go: one thread's journal, the effects, and the loop."""
