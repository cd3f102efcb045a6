"""Stage 3, what should a person see first? Pure: numpy arrays in, numpy arrays out."""
