"""The processes of one R run, beside the platform's own: none of them holds a key, a token, or the platform's environment.

- `supervisor` starts R, listens to it, ends every process of the run, and copies what R left out of its reach;
- `host` is its child: it locks itself in and runs R;
- `reader` opens what R left, and writes it anew.

Here: those three and their parts. Not here: what decides about a run and what becomes of its result (resources.r_runtime).
Nothing is imported here, so that they start quickly.
"""
