"""CuPy's kernels and graphs on the CPU: what there is of CUDA is played by C++, and g++ compiles the rest.

A block's threads are threads, so that a value which one of them reads too early is really missing. It shows
that kernels compute what they should and are asked as CuPy is; it says nothing about how fast they are, about
a real compiler, or about a real device.
"""

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aifactory_solver.problem import Array

COMPILER = shutil.which("g++")
THREADS = 4  # of a block, whatever is asked for

_CUDA = """
#include <barrier>
#include <cmath>
#include <thread>
#include <vector>
#define __global__
#define __device__
#define __shared__
struct Index { unsigned int x, y; };
static thread_local Index threadIdx;
static Index blockIdx, blockDim, gridDim;
static std::barrier<>* gate;
static void __syncthreads() { gate->arrive_and_wait(); }
float shared[1 << 16];
"""
_LAUNCH = """
extern "C" void launch(void (*kernel)(const unsigned long long*, const int*), int width, int height,
                       int threads, const unsigned long long* arrays, const int* sizes)
{
    gridDim = {(unsigned)width, (unsigned)height};
    blockDim = {(unsigned)threads, 1};
    std::barrier<> both(threads), all(threads);
    gate = &all;
    auto thread = [&](unsigned int number) {
        threadIdx = {number, 0};
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                if (number == 0) blockIdx = {(unsigned)x, (unsigned)y};
                both.arrive_and_wait();
                kernel(arrays, sizes);
                both.arrive_and_wait();
            }
    };
    std::vector<std::thread> others;
    for (int i = 1; i < threads; i++) others.emplace_back(thread, i);
    thread(0);
    for (auto& other : others) other.join();
}
"""


class Cupy:
    """The parts of CuPy that run kernels, on NumPy's arrays."""

    __version__ = "played by g++"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recording: list[Callable[[], None]] | None = None
        self.graphs_launched = 0
        self.cuda = SimpleNamespace(
            Device=lambda: SimpleNamespace(synchronize=lambda: None),
            Stream=lambda non_blocking: Stream(self),
            get_current_stream=lambda: Stream(self),
            memory=SimpleNamespace(OutOfMemoryError=MemoryError),
        )

    def get_default_memory_pool(self) -> Any:
        """A pool."""
        return SimpleNamespace(free_all_blocks=lambda: None)

    def RawModule(self, *, code: str, options: tuple[str, ...]) -> "Module":
        """Compile kernels."""
        assert all(option.startswith("--std=") for option in options)
        return Module(self, code)


class Module:
    """Compiled kernels that take pointers and sizes."""

    def __init__(self, cupy: Cupy, source: str, *options: str) -> None:
        assert COMPILER
        self.cupy = cupy
        code, library = cupy.folder / "kernels.cpp", cupy.folder / "kernels.so"
        if not library.exists():
            code.write_text(_CUDA + source + _LAUNCH, encoding="utf-8")
            command = [COMPILER, "-std=c++20", "-O1", "-shared", "-fPIC", "-pthread", *options]
            subprocess.run([*command, "-o", str(library), str(code)], check=True, timeout=300)
        self.compiled = ctypes.CDLL(str(library))

    def get_function(self, name: str) -> Callable[..., None]:
        """One kernel. It runs at once, with fewer threads, or is recorded."""
        kernel = getattr(self.compiled, name)

        def run(
            grid: tuple[int, ...], block: tuple[int], arguments: tuple[Array, Array], *, shared_mem: int = 0
        ) -> None:
            (threads,) = block
            assert len(grid) <= 3
            assert shared_mem <= 48 << 10
            assert threads & (threads - 1) == 0
            assert threads <= 1024
            pointers = [ctypes.c_void_p(array.ctypes.data) for array in arguments]

            def launch() -> None:
                self.compiled.launch(kernel, *grid, THREADS, *pointers)

            if self.cupy.recording is None:
                launch()
            else:
                self.cupy.recording.append(launch)

        return run


class Stream:
    """Records what is launched between two calls, and does not run it."""

    def __init__(self, cupy: Cupy) -> None:
        self.cupy = cupy

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def begin_capture(self) -> None:
        """Record from here on."""
        self.cupy.recording = []

    def end_capture(self) -> Any:
        """What was recorded."""
        work, self.cupy.recording = self.cupy.recording or [], None

        def launch(stream: Stream) -> None:
            self.cupy.graphs_launched += 1
            for each in work:
                each()

        return SimpleNamespace(launch=launch)
