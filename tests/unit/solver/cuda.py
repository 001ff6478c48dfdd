"""CuPy's kernels and graphs on the CPU: what there is of CUDA is played by C++, and g++ compiles the rest.

A block's threads take turns: each runs to the next barrier, in one launch from the first to the last and in
the next one from the last to the first. So a value which one of them reads too early is really missing, every
time. It shows that kernels compute what they should and are asked as CuPy is; it says nothing about how fast
they are, about a real compiler, or about a real device.
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
#include <cmath>
#include <cstdlib>
#include <ucontext.h>
#include <vector>
#define __global__
#define __device__
#define __shared__
struct Index { unsigned int x, y; };
Index threadIdx, blockIdx, blockDim, gridDim;
float shared[1 << 16];
bool backwards;
unsigned int ended;  // threads of the block that are through
ucontext_t launched;
std::vector<ucontext_t> threads;
void next(ucontext_t& now)
{
    threadIdx.x = (threadIdx.x + (backwards ? blockDim.x - 1 : 1)) % blockDim.x;
    swapcontext(&now, &threads[threadIdx.x]);
}
void __syncthreads()
{
    if (ended) abort();  // somebody will never come to this barrier
    next(threads[threadIdx.x]);
}
"""
_LAUNCH = """
void (*work)(const unsigned long long*, const int*);
const unsigned long long* first;
const int* second;
void thread()
{
    work(first, second);
    ucontext_t over;
    if (++ended < blockDim.x) next(over);
    setcontext(&launched);
}
extern "C" void launch(void (*kernel)(const unsigned long long*, const int*), int width, int height,
                       int count, const unsigned long long* arrays, const int* sizes)
{
    work = kernel, first = arrays, second = sizes;
    gridDim = {(unsigned)width, (unsigned)height};
    blockDim = {(unsigned)count, 1};
    backwards = !backwards;
    threads.resize(count);
    std::vector<std::vector<char>> stacks(count, std::vector<char>(1 << 16));
    for (unsigned int y = 0; y < gridDim.y; y++)
        for (unsigned int x = 0; x < gridDim.x; x++) {
            for (int i = 0; i < count; i++) {
                getcontext(&threads[i]);
                threads[i].uc_stack.ss_sp = stacks[i].data();
                threads[i].uc_stack.ss_size = stacks[i].size();
                makecontext(&threads[i], thread, 0);
            }
            blockIdx = {x, y};
            ended = 0;
            threadIdx = {backwards ? blockDim.x - 1 : 0, 0};
            swapcontext(&launched, &threads[threadIdx.x]);
        }
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
            command = [COMPILER, "-std=c++20", "-O1", "-shared", "-fPIC", *options]
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
