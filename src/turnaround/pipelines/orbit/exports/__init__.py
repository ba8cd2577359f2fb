"""The files of a finished orbit, one class for each kind."""
