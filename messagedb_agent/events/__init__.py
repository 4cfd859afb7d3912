"""What happened: events, their values, their JSON and their hash chain. Pure."""
