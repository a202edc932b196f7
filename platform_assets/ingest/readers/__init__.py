"""From a file to rows of text. What is not plain delimited text is read in a process of its own, which a file cannot leave.

`formats` has one module per kind of file, `registry` finds them, `apart` runs them in a process with limits, `packing` takes archives
apart, `scan` reads every byte once, `shape` says which cells are the table, `typed` makes texts of values, `rows` is what all of them give.
"""
