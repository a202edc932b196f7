"""Where in a file the table stands and which of its columns is which: what no format decides by itself."""
