"""The dashboard's steps, one panel each; a panel shows the project and calls its verbs, no more."""
