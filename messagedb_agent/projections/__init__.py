"""What a thread's events mean: folds for models, people and audits. Pure."""
