"""CUDA kernels, compiled at run time by NVRTC, which comes with PyTorch: no compiler has to be on the machine."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

BLOCK = 256  # threads
NUMBERS = """
// Of 16 bits NVRTC knows nothing without headers.
#if FLOAT32
typedef float Number;
__device__ float read(Number x) { return x; }
__device__ Number written(float x) { return x; }
#elif FLOAT16
typedef unsigned short Number;
__device__ float read(Number x) {
    float found;
    asm("cvt.f32.f16 %0, %1;" : "=f"(found) : "h"(x));
    return found;
}
__device__ Number written(float x) {
    Number found;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(found) : "f"(x));
    return found;
}
#else  // bfloat16: the upper half of a float, rounded to nearest even
typedef unsigned short Number;
__device__ float read(Number x) { return __uint_as_float((unsigned)x << 16); }
__device__ Number written(float x) {
    if (x != x) return 0x7fff;
    unsigned bits = __float_as_uint(x);
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
#endif
"""
TYPES = {torch.float32: "FLOAT32", torch.float16: "FLOAT16", torch.bfloat16: "BFLOAT16"}  # macros, of which one is 1


@functools.cache
def available() -> bool:
    """Whether this PyTorch came with what compiles and launches kernels: NVIDIA's, from 2.11 on Linux and Windows."""
    return torch.version.cuda is not None and find_spec("cuda") is not None and find_spec("cuda.bindings") is not None


def launch(source: str, constants: Mapping[str, int], count: int, *arguments: Tensor | int) -> None:
    """Run a kernel's function `kernel` for `count` threads, on the current stream of its first argument's device.

    `source` is its CUDA C++, in which the constants are macros; its parameters are pointers and 64-bit integers, the last of
    them the number of threads that have work. Kernels must have been launched once before a CUDA graph can capture them.
    RuntimeError: it does not compile, or the device refuses it.
    """
    from cuda.bindings import driver

    first = arguments[0]
    assert isinstance(first, Tensor)
    assert count < 2**31
    types = tuple(ctypes.c_void_p if isinstance(one, Tensor) else ctypes.c_longlong for one in arguments)
    values = tuple(one.data_ptr() if isinstance(one, Tensor) else one for one in arguments)
    with torch.cuda.device(first.device):  # which gives a thread its context
        function = _compiled(source, tuple(constants.items()), first.device.index)
        stream = torch.cuda.current_stream().cuda_stream
        given = ((*values, count), (*types, ctypes.c_longlong))
        _checked(driver.cuLaunchKernel(function, -(-count // BLOCK), 1, 1, BLOCK, 1, 1, 0, stream, given, 0))


@functools.cache
def _compiled(source: str, constants: tuple[tuple[str, int], ...], device: int) -> Any:
    """A kernel on a device."""
    from cuda.bindings import driver

    major, minor = torch.cuda.get_device_capability(device)
    code = compile_for(f"sm_{major}{minor}", source, dict(constants))
    buffer = ctypes.create_string_buffer(code, len(code))
    module = _checked(driver.cuModuleLoadData(ctypes.addressof(buffer)))
    return _checked(driver.cuModuleGetFunction(module, b"kernel"))


def compile_for(architecture: str, source: str, constants: Mapping[str, int]) -> bytes:
    """The machine code of a kernel for GPUs such as "sm_90", which need not be there. RuntimeError: it does not compile."""
    from cuda.bindings import nvrtc

    options = [f"--gpu-architecture={architecture}", *(f"-D{name}={value}" for name, value in constants.items())]
    program = _checked(nvrtc.nvrtcCreateProgram((NUMBERS + source).encode(), b"kernel.cu", 0, [], []))
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    if status:
        log = bytes(_checked(nvrtc.nvrtcGetProgramLogSize(program)))
        _checked(nvrtc.nvrtcGetProgramLog(program, log))
        raise RuntimeError(f"a CUDA kernel does not compile: {log.decode()}")
    code = bytes(_checked(nvrtc.nvrtcGetCUBINSize(program)))
    _checked(nvrtc.nvrtcGetCUBIN(program, code))
    _checked(nvrtc.nvrtcDestroyProgram(program))
    return code


def _checked(answer: tuple[Any, ...]) -> Any:
    status, *found = answer
    if status:
        raise RuntimeError(f"CUDA refuses a kernel: {status.name}")
    return found[0] if found else None
