# SPDX-License-Identifier: Apache-2.0
"""Imports torch on a machine without a GPU.

The wheel is linked against CUDA libraries of some gigabytes that a CPU never enters. tools/setup.py bench makes empty ones of
the same names; loading them first, and resolving functions only when they are called, lets torch start without the real ones.
"""

import ctypes
import os
import pathlib
import sys


def _load_stand_ins():
    folder = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal") / "cuda-stand-ins"
    for library in sorted(folder.glob("lib*.so.*")):
        ctypes.CDLL(str(library), mode=os.RTLD_LAZY | os.RTLD_GLOBAL)


try:
    ctypes.CDLL("libcudnn.so.9")
except OSError:
    _load_stand_ins()
    _flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_LAZY)
    import torch
    sys.setdlopenflags(_flags)
else:
    import torch

__all__ = ["torch"]
