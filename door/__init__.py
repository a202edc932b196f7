"""What stands before everything that a browser opens: Dagster's UI, the stewards' console, the explorer's files.

`rules` is the list of what may be asked for, `filter` applies it inside the server's own process (laptops, and the console everywhere),
`nginx` writes the same list for the proxy of the cluster. Nothing here knows the platform's data.
"""
