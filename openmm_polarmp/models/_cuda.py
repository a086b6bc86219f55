"""torch inside a program that has a CUDA context of its own current."""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def primary_context(device: torch.device) -> Iterator[None]:
    """Make the device's primary context, in which torch lives, the current one; then leave the stack as it was.

    OpenMM keeps a private context current while it computes. torch does not notice, since the device is the right one,
    and would launch its kernels there, where its streams do not exist.
    """
    driver = _driver()
    context = ctypes.c_void_p()
    _check(driver, driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), ctypes.c_int(device.index or 0)))
    try:
        _check(driver, driver.cuCtxPushCurrent_v2(context))
        try:
            yield
        finally:
            _check(driver, driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p())))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(ctypes.c_int(device.index or 0))


@functools.cache
def _driver() -> ctypes.CDLL:
    driver = ctypes.CDLL("libcuda.so.1")
    _check(driver, driver.cuInit(0))
    return driver


def _check(driver: ctypes.CDLL, status: int) -> None:
    if status:
        text = ctypes.c_char_p()
        driver.cuGetErrorString(status, ctypes.byref(text))
        raise RuntimeError(f"CUDA driver: {(text.value or b'unknown error').decode()} ({status})")
