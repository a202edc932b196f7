"""How dates and moments are written: the formats that a contract names, and the names of months in four languages."""
