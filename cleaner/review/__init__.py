"""Stage 4, the person decides: the grid, its protocol, and the journal that keeps every decision."""
