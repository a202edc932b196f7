"""A first contract from real files: no steward starts from nothing.

`grids` finds the table in a file, `guessing` what its columns hold, `writing` puts it into YAML with what it is unsure of as comments,
`command` tries the draft on the files it was made from.
"""
