"""Buckets of a histogram over whole numbers: exact below 256, then no wider than a 128th of what they hold.

The log-linear layout of HdrHistogram: numbers are told apart by their eight leading bits.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

_BITS: Final = 8
_HALF: Final = 1 << (_BITS - 1)


def buckets(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The bucket of each value; values are 0 or more, and below 2^53."""
    exponent = np.maximum(np.frexp(values.astype(np.float64))[1].astype(np.int64) - _BITS, 0)
    return np.where(exponent > 0, _HALF * (exponent + 1) + (values >> exponent) - _HALF, values)


def bounds(bucket: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The least and the greatest value of each bucket."""
    exponent = np.maximum(bucket // _HALF - 1, 0)
    low: npt.NDArray[Any] = np.where(exponent > 0, (bucket % _HALF + _HALF) << exponent, bucket)
    return low, low + (np.int64(1) << exponent) - 1
