"""Stage 5: make it so, and undo it. Files are moved, never destroyed; no model, no widget."""
