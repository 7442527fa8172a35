"""Time the distances of all pairs of models on a CUDA GPU, beside what the GPU can do at most.

    python benchmarks/gpu.py                     under 10 minutes on one GPU with 40 GB of memory or more
    python benchmarks/gpu.py --small             seconds; to see that it runs
    python benchmarks/gpu.py --tune              also each tile size of the kernel, to choose their order in gpu.py

Prints Markdown tables: what the GPU can do (a bfloat16 matrix product of 8192, a copy in its memory, a copy to it),
the kernel and plain torch at sizes (models, samples, classes), and a run from files to the distances.  Times are by
CUDA events, the median of several after warming up.  A rate counts 2 C operations for each pair of different models
and sample, though a tile on the diagonal computes both halves and tiles at the edge more.  What fails says so in its
row, and so does what is left out because the time is over.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from info_geometry.files import command

SIZES = {
    "A": (244, 5000, 100),
    "B": (600, 4000, 10),
    "C": (122, 2000, 1000),
    "D": (1220, 300, 1000),
    "slab of the ImageNet study": (1830, 200, 1000),
}
TINY = {"A": (40, 60, 100), "B": (50, 40, 10), "C": (20, 30, 1000)}
DEVICE = "cuda"
PRECISIONS = ("float32", "float16", "bfloat16")
MINUTES = 9.0  # after which nothing else is begun


deadline = []  # of this run, when it has begun


def in_time():
    """Raise TimeoutError when the time is over."""
    if deadline and time.monotonic() > deadline[-1]:
        raise TimeoutError("left out, the time is over; --minutes gives it more")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="tiny sizes")
    parser.add_argument("--tune", action="store_true", help="time each tile size of the kernel")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which the rest is left out (%(default)g)")
    options = parser.parse_args(argv)
    deadline.append(time.monotonic() + 60 * options.minutes)
    import torch

    if not torch.cuda.is_available():
        sys.exit("error: benchmarks/gpu.py needs a CUDA GPU, and torch finds none")
    torch.backends.cuda.matmul.allow_tf32 = False
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}\n", flush=True)
    peak = limits(options.small)
    sizes = TINY if options.small else SIZES
    kernel(sizes, peak)
    if options.tune:
        tune(sizes, peak)
    from_files(sizes)


def limits(small):
    """Print what the GPU can do; return its rate (operations a second) of bfloat16 matrix products, or NaN."""
    import torch

    print("| the GPU itself | rate |\n| --- | ---: |")
    side, peak = 1024 if small else 8192, float("nan")
    for kind in (torch.bfloat16, torch.float32):
        name = f"matrix product of {side}, {str(kind).removeprefix('torch.')}"
        with row(name):
            a, b = (torch.randn(side, side, device=DEVICE).to(kind) for _ in range(2))
            rate = 2 * side**3 / seconds(lambda a=a, b=b: a @ b)
            peak = rate if kind == torch.bfloat16 else peak
            print(f"| {name} | {rate / 1e12:.1f} TFLOP/s |", flush=True)
    size = 1 << (24 if small else 30)
    with row("copy in its memory"):
        a = torch.empty(size, dtype=torch.uint8, device=DEVICE)
        b = torch.empty_like(a)
        rate = 2 * size / seconds(lambda: b.copy_(a))
        print(f"| copy in its memory, bytes read and written | {rate / 1e9:.0f} GB/s |", flush=True)
    for pinned in (True, False):
        name = f"copy to it, from {'pinned' if pinned else 'ordinary'} memory"
        with row(name):
            host = torch.ones(size, dtype=torch.uint8, pin_memory=pinned)
            a = torch.empty(size, dtype=torch.uint8, device=DEVICE)
            rate = size / seconds(lambda a=a, host=host: a.copy_(host, non_blocking=True))
            print(f"| {name} | {rate / 1e9:.1f} GB/s |", flush=True)
    return peak


def kernel(sizes, peak):
    """Print the kernel and plain torch at all sizes and precisions, and how far distances are from float64."""
    print("\n| size | precision | kernel, s | TFLOP/s | of the peak in bfloat16 | torch, s | ratio | largest error |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for name, size in sizes.items():
        for precision in PRECISIONS:
            for dot in ("ieee", "tf32x3") if precision == "float32" else ("ieee",):
                label = f"| {name} {size} | {precision}{', tf32x3' if dot != 'ieee' else ''}"
                with row(label.removeprefix("| "), columns=8):
                    time_kernel(label, size, precision, dot, peak)


def time_kernel(label, size, precision, dot, peak):
    from info_geometry.sums import gpu as engine

    x = roots(*size).to(engine.PRECISIONS[precision])
    took = seconds(lambda: products(x, precision, dot=dot))
    rate = size[0] * (size[0] - 1) * size[1] * size[2] / took
    plain = seconds(lambda: with_torch(x), times=3)
    few = roots(min(size[0], 50), *size[1:])
    exact = distances(with_torch(few.double()))
    error = abs(distances(products(few, precision, dot=dot).log()) - exact).max() / size[1]
    print(
        f"{label} | {took:.5f} | {rate / 1e12:.1f} | {100 * rate / peak:.0f} % | {plain:.5f} | {plain / took:.1f} | "
        f"{error:.0e} |",
        flush=True,
    )


def tune(sizes, peak):
    """Print the time of every configuration of the kernel."""
    from info_geometry.sums import gpu as engine

    print("\n| size | precision | tile, classes, warps, stages | kernel, s | of the peak in bfloat16 |")
    print("| --- | --- | --- | ---: | ---: |", flush=True)
    for name, size in sizes.items():
        for precision, configs in (("float32", engine.FULL), ("bfloat16", engine.HALF)):
            x = roots(*size).to(engine.PRECISIONS[precision])
            for config in configs:
                label = f"{name} {size} | {precision} | {config}"
                with row(label, columns=5):
                    took = seconds(lambda x=x, p=precision, c=config: products(x, p, config=c), times=5)
                    rate = size[0] * (size[0] - 1) * size[1] * size[2] / took
                    print(f"| {label} | {took:.5f} | {100 * rate / peak:.0f} % |", flush=True)


def from_files(sizes):
    """Print how long the distances take from a file of float16 roots, and reading it alone."""
    from info_geometry import distance, predictions

    print(
        "\n| from a file to the distances | precision | s | reading the file alone, s |\n| --- | --- | ---: | ---: |",
        flush=True,
    )
    for name in ("A", "B", "C"):
        with tempfile.TemporaryDirectory() as folder, row(name, columns=4):
            in_time()
            path = Path(folder) / "run" / "preds_0.h5"
            predictions.write(
                path,
                [(x.double() ** 2).cpu().numpy() for x in roots(*sizes[name])],
                labels=np.zeros(sizes[name][1], int),
            )
            file = predictions.open_trajectory(path)
            for precision in ("float32", "bfloat16"):
                took, reading = [], []
                for _ in range(4):  # the first compiles
                    started = time.perf_counter()
                    file.roots()
                    reading.append(time.perf_counter() - started)
                    started = time.perf_counter()
                    distance.pairwise([file], device=DEVICE, precision=precision)
                    took.append(time.perf_counter() - started)
                print(f"| {name} {sizes[name]} | {precision} | {min(took[1:]):.3f} | {min(reading):.3f} |", flush=True)


def roots(M, N, C):
    """Return roots (M, N, C), float32, on the GPU, neither sharp nor diffuse; a tenth of the rows are one-hot."""
    import torch

    generator = torch.Generator(DEVICE).manual_seed(0)
    found = torch.empty(M, N, C, device=DEVICE)
    for model in found:
        model.normal_(0, 3, generator=generator)
        sure = torch.rand(N, 1, device=DEVICE, generator=generator) < 0.1
        model += 100 * sure * torch.nn.functional.one_hot(model.argmax(dim=1), C)
        model.copy_(model.softmax(dim=1).sqrt_())
    return found


def products(x, precision, **options):
    from info_geometry.sums import gpu as engine

    found = engine.Products(len(x), precision=precision, floor=1e-6, device=DEVICE, **options)
    found.add(x)
    return found


def with_torch(x, tile=256, batch=64):
    """Return sums of logarithms (M, M) of roots (M, n, C), on and above the diagonal of tiles, with plain torch."""
    import torch

    total = torch.zeros(len(x), len(x), dtype=torch.float64, device=x.device)
    for samples in x.split(batch, dim=1):
        samples = samples.transpose(0, 1)
        for i in range(0, len(x), tile):
            for j in range(i, len(x), tile):
                affinity = samples[:, i : i + tile] @ samples[:, j : j + tile].transpose(1, 2)
                affinity = affinity if affinity.dtype == torch.float64 else affinity.float()
                total[i : i + tile, j : j + tile] += affinity.clamp_(min=1e-6).log_().sum(dim=0, dtype=torch.float64)
    return total


def distances(sums):
    """Return minus the sums of logarithms, renormalised by the diagonal, of pairs i < j."""
    sums = sums if isinstance(sums, np.ndarray) else sums.cpu().numpy()
    upper, self_ = np.triu_indices(len(sums), 1), np.diag(sums)
    return (0.5 * np.add.outer(self_, self_) - sums)[upper]


def seconds(function, times=10):
    """Return the median seconds of calls of a function on the GPU, after two."""
    import torch

    in_time()
    for _ in range(2):
        function()
    torch.cuda.synchronize()
    found = []
    for _ in range(times):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        stop.record()
        torch.cuda.synchronize()
        found.append(start.elapsed_time(stop) / 1e3)
    return float(np.median(found))


class row:
    """Print an error as a row of a table, and go on; give the memory back."""

    def __init__(self, label, columns=2):
        self.label, self.columns = label, columns

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        import torch

        failed = isinstance(error, Exception)
        if failed:
            empty = "| " * (self.columns - self.label.count("|") - 2)
            text = str(error).strip().splitlines() or [""]
            print(f"| {self.label} | {kind.__name__}: {text[0][:150].replace('|', '/')} {empty}|", flush=True)
        torch.cuda.empty_cache()
        return failed


if __name__ == "__main__":
    command(main)
