"""Delimited text is read in two ways: by the engine where its result is proved complete, line by line where it is not."""
