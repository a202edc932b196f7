"""An indicator as its author writes it: the block of comments at the top, the code below, and the texts of R in it."""
