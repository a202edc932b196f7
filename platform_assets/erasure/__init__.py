"""Erasing records from every store: requests, who is meant (`targets`), what keeps them out later (`tombstones`), and the certificate."""
