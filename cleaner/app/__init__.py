"""Puts the stages together: the only place where they meet. Imports the model stage inside functions only."""
