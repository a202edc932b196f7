"""Where deliveries come from: one file per kind, with what it is told in a contract and how it is fetched into landing.

A kind is a module of this room with one subclass of `Source`; nothing else lists it. `read` makes a source of what a contract says,
`collect` (in `collect`) asks it. What is loaded, judged or kept is not known here.
"""
