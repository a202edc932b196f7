"""R inside this process, by rpy2: only ever in the child of a run (and in tests of the exchange)."""

from __future__ import annotations

import ctypes
import logging
import resource
import signal
import warnings
from collections.abc import Iterable
from typing import Any

STACK = 64 << 20
"""Bytes of stack for R. With the usual 8 MB a recursion through sapply() ends the C stack before R's own limit of 5000
nested calls, and R can then not say where it was."""

_MARGIN = 1 << 20

_libc = ctypes.CDLL(None)


def _stack() -> int:
    """Let the main thread's stack grow to STACK, or as far as allowed; its size in bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    size = STACK if hard == resource.RLIM_INFINITY else min(STACK, hard)
    if soft == resource.RLIM_INFINITY or soft >= size:
        return size
    resource.setrlimit(resource.RLIMIT_STACK, (size, hard))
    return size


def start_r(harness: Iterable[str]) -> Any:
    """Start R and load the harness; the environment that holds its functions.

    R gets its own signal handlers, so that it can be interrupted and prints its stack when C code crashes. rpy2
    would start R without them; it accepts an R that is already there, which is how they are kept.
    """
    import rpy2.situation

    # The environment was set by the parent; rpy2 would start R two more times to find it out.
    rpy2.situation.r_ld_library_path_from_subprocess = lambda r_home: ""
    logging.getLogger("rpy2").setLevel(logging.CRITICAL)
    import rpy2.rinterface as ri
    from rpy2.rinterface_lib import openrlib

    ri._setrenvvars = lambda action_map: None
    lib, ffi = openrlib.rlib, openrlib.ffi
    options = [ffi.new("char[]", option) for option in (b"R", b"--vanilla", b"--no-echo")]
    lib.Rf_initialize_R(ffi.cast("int", len(options)), options)
    lib.R_CStackLimit = ffi.cast("uintptr_t", _stack() - _MARGIN)
    lib.R_Interactive = False
    lib.setup_Rmainloop()
    _libc.signal.restype = ctypes.c_void_p
    _libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    interrupt = _libc.signal(signal.SIGINT, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "R was initialized outside of rpy2": on purpose
        ri.initr(interactive=False)
    _libc.signal(signal.SIGINT, interrupt)

    functions = ri.baseenv["new.env"](parent=ri.baseenv)
    for file in harness:
        ri.baseenv["sys.source"](file, functions, **{"keep.source": False})
    return functions
