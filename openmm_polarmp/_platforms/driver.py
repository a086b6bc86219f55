"""Versions of NVIDIA's driver and of the compiler of kernels, and whether they fit together."""

from __future__ import annotations

import ctypes
from pathlib import Path

Version = tuple[int, int]


def driver_cuda() -> Version | None:
    """The newest CUDA that the driver runs; None without a driver."""
    number = ctypes.c_int()
    try:
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number)) != 0:
            return None
    except OSError:
        return None
    return number.value // 1000, number.value % 1000 // 10


def loaded_nvrtc() -> Version | None:
    """CUDA version of the NVRTC that this process has loaded; None if it has none."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    paths = {line.split(maxsplit=5)[-1] for line in lines if "/libnvrtc.so" in line}
    major, minor = ctypes.c_int(), ctypes.c_int()
    for path in sorted(paths):
        if ctypes.CDLL(path).nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)) == 0:
            return major.value, minor.value
    return None


def compiler_too_new(driver: Version | None, nvrtc: Version | None) -> str:
    """Message for an NVRTC that is newer than the driver, which then loads no kernel; '' if it is not."""
    if driver is None or nvrtc is None or nvrtc <= driver:
        return ""
    package = "nvidia-cuda-nvrtc" if nvrtc[0] >= 13 else f"nvidia-cuda-nvrtc-cu{nvrtc[0]}"
    return (
        f"NVRTC of CUDA {nvrtc[0]}.{nvrtc[1]} compiles kernels that this driver, made for CUDA {driver[0]}.{driver[1]}, does not "
        f"load: update the driver, or pip install '{package}=={driver[0]}.{driver[1]}.*'"
    )
