"""fastai's cleaners, those of version 1 and 2, on this program's grid. fastai is imported when used."""
