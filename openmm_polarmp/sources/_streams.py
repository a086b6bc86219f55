"""CUDA streams for evaluations that come and go."""

from __future__ import annotations

import weakref

import torch

_idle: dict[torch.device, list[torch.cuda.Stream]] = {}


def stream_of(owner: object, device: torch.device) -> torch.cuda.Stream:
    """A stream for ``owner`` alone.

    torch keeps freed memory for the stream that used it. So the stream of an owner that is gone serves the next one:
    Contexts that come and go would otherwise gather memory for each of torch's streams.
    """
    idle = _idle.setdefault(device, [])
    stream = idle.pop() if idle else torch.cuda.Stream(device)
    weakref.finalize(owner, idle.append, stream).atexit = False
    return stream
