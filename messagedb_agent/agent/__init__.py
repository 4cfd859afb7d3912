"""What happens next: state, steps, commands and the decider. Pure."""
