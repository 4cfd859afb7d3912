"""What the commands do; how they are called stands beside this folder."""
