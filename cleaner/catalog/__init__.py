"""Stage 1, what is there? Reads disk and pictures; knows nothing of models, reviews or databases."""
