"""Where does a text still stand? What counts as standing there (`whole`), and the search of every byte (`scan`)."""
