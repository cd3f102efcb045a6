"""The finished model answers over HTTP. It is handed the model, and knows no project."""
