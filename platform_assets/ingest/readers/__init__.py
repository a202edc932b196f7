"""From a file to rows of text. What is not plain delimited text is read in a process of its own, which a file cannot leave.

`formats` has one module per kind of file, `registry` finds them, `process` and `child` run them with `limits`, `packing` takes archives
apart, `scan` reads every byte once, `staged` is what all of them give.
"""
