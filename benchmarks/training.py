"""Time per training step of ensembles of ten networks: this package, and PyTorch, side by side on one thread.

    python -m venv torch-venv
    torch-venv/bin/pip install . torch
    torch-venv/bin/python benchmarks/training.py
    torch-venv/bin/python benchmarks/training.py --depths 1 --widths 32 --steps 500 --repeats 9

Both train the same networks (same initial weights, float32) on the same minibatches of 75 frames of argon: squared
error of total energies, Adam with a cosine decay, and every 25 steps a look at all training and validation frames,
where each member's best weights are kept. PyTorch trains member after member with its fused Adam ("torch"), or all of
them by ``torch.func.vmap`` with one fused Adam ("torch.func"). Before it times them, the script checks that all reach
the same errors.

Times are CPU times, which one thread on an idle machine makes the same as elapsed times, and which other load disturbs
less. Programs alternate; the table gives medians. Compilation is left out and has its own column, as has the share of
the speed of NumPy's matrix product that our matrix products alone account for.
"""

from __future__ import annotations

import argparse
import os
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import numpy as np

from basinet.descriptors.bispectrum import Bispectrum
from basinet.frames.shipped import load_isolated_atoms, load_reference
from basinet.potentials.dataset import PackedFrames, build_dataset, fit_scaling, minibatches, pack
from basinet.potentials.network import Architecture
from basinet.potentials.program import train_networks
from basinet.potentials.training import initial_networks

try:
    import torch
except ModuleNotFoundError:
    raise SystemExit(f"PyTorch is not installed; it is no dependency of this package.\n\n{__doc__}") from None

if TYPE_CHECKING:
    from collections.abc import Callable

EVALUATE_EVERY = 25
RATE = 1e-3


class Case(NamedTuple):
    """One line of the table: what to train, from which weights, on which frames and minibatches."""

    architecture: Architecture
    start: Any
    train: PackedFrames
    validation: PackedFrames
    batches: Any
    unit: float

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.batches.shape[0] * self.batches.shape[1]

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        return 0.5 * RATE * (1 + np.cos(np.pi * step / self.steps))


def argon() -> tuple[PackedFrames, PackedFrames]:
    """75 training and 24 validation frames of 32 atoms, 30 components."""
    e0 = {element: float(atom.info["REF_energy"]) for element, atom in load_isolated_atoms().items()}
    dataset = build_dataset("ar", load_reference("ar"), Bispectrum(), e0)
    train, validation = dataset.select(range(75)), dataset.select(range(76, 100))
    scaling = fit_scaling(train)
    return pack(train, scaling, summed=False), pack(validation, scaling, summed=False)


def prepare(
    depth: int, width: int, batch: int, steps: int, members: int, data: tuple[PackedFrames, PackedFrames]
) -> Case:
    """Set up a case; `steps` is rounded up to whole blocks."""
    architecture = Architecture("tanh", depth, width)
    start = initial_networks(range(members), architecture, *data[0].rows.shape[::3])
    blocks = -(-steps // EVALUATE_EVERY)
    batches = minibatches(np.random.default_rng(0), len(data[0].target), batch, blocks, EVALUATE_EVERY)
    start = jax.tree.map(lambda a: np.asarray(a, np.float32), start)
    return Case(architecture, start, *data, batches, float(np.sqrt(data[0].rows.shape[2])))


def basinet_program(case: Case) -> tuple[Callable[[], Any], float]:
    """Our program, compiled, and the CPU seconds of its compilation."""

    def frames(packed: PackedFrames) -> PackedFrames:
        return PackedFrames(*(np.asarray(a, np.float32) for a in packed[:4]))

    rates = np.full(len(case.start[0].weight), RATE, np.float32)
    limits = (np.int32(case.steps), np.float32(0.0))
    arguments = (
        case.start, rates, frames(case.train), frames(case.validation), case.batches, np.float32(case.unit), *limits,
    )  # fmt: skip
    started = time.process_time()
    program = train_networks.lower(*arguments, architecture=case.architecture).compile()
    compilation = time.process_time() - started
    arguments = jax.device_put(arguments)
    return lambda: np.asarray(jax.block_until_ready(program(*arguments)).train_curve.energy), compilation


def torch_network(case: Case, member: int) -> torch.nn.Module:
    """A member with its initial weights."""
    layers: list[torch.nn.Module] = []
    for layer in case.start:
        weight, bias = (torch.tensor(a[member, 0]) for a in layer)
        linear = torch.nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(bias)
        layers += [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def torch_frames(packed: PackedFrames) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows ``(frames, atoms, components)`` and targets ``(frames,)``."""
    return torch.tensor(packed.rows[0], dtype=torch.float32), torch.tensor(packed.target, dtype=torch.float32)


def torch_loop(case: Case) -> Callable[[], Any]:
    """Member after member, as one would write it with PyTorch."""
    frames, held = torch_frames(case.train), torch_frames(case.validation)
    batches = torch.tensor(case.batches).long()

    def error(network: torch.nn.Module, rows: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        energy = network(rows).squeeze(-1).sum(-1) / case.unit
        return torch.nn.functional.mse_loss(energy, target)

    def train(network: torch.nn.Module) -> list[float]:
        optimiser = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
        curve: list[float] = []
        best = float("inf")
        step = 0
        for block in batches:
            for index in block:
                optimiser.param_groups[0]["lr"] = case.rate(step)
                optimiser.zero_grad()
                error(network, frames[0][index], frames[1][index]).backward()
                optimiser.step()
                step += 1
            with torch.no_grad():
                curve.append(error(network, *frames).item())
                validation = error(network, *held).item()
            if validation < best:
                best, _ = validation, deepcopy(network.state_dict())
        return curve

    return lambda: np.array([train(torch_network(case, m)) for m in range(len(case.start[0].weight))]).T


def torch_vmap(case: Case) -> Callable[[], Any]:
    """All members at once, by PyTorch's function transforms."""
    frames, held = torch_frames(case.train), torch_frames(case.validation)
    batches = torch.tensor(case.batches).long()
    networks = [torch_network(case, member) for member in range(len(case.start[0].weight))]

    def error(parameters: Any, rows: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        energy = torch.func.functional_call(networks[0], parameters, (rows,)).squeeze(-1).sum(-1) / case.unit
        return torch.nn.functional.mse_loss(energy, target)

    gradient = torch.func.vmap(torch.func.grad(error), (0, None, None))
    errors = torch.func.vmap(error, (0, None, None))

    def train() -> Any:
        parameters = torch.func.stack_module_state(networks)[0]
        optimiser = torch.optim.Adam(parameters.values(), lr=RATE, fused=True)
        kept = {name: p.detach().clone() for name, p in parameters.items()}
        best = torch.full((len(networks),), torch.inf)
        curve = []
        step = 0
        for block in batches:
            for index in block:
                optimiser.param_groups[0]["lr"] = case.rate(step)
                plain = {name: p.detach() for name, p in parameters.items()}
                for name, value in gradient(plain, frames[0][index], frames[1][index]).items():
                    parameters[name].grad = value
                optimiser.step()
                step += 1
            with torch.no_grad():
                curve.append(errors(parameters, *frames).numpy())
                validation = errors(parameters, *held)
                improved = validation < best
                best = torch.minimum(best, validation)
                for name, value in parameters.items():
                    kept[name][improved] = value[improved]
        return np.array(curve)

    return train


def seconds(action: Callable[[], Any]) -> float:
    """CPU time of one call."""
    started = time.process_time()
    action()
    return time.process_time() - started


def matrix_peak() -> float:
    """Speed of NumPy's float32 matrix product, flop/s."""
    a = np.random.default_rng(0).random((768, 768), dtype=np.float32)
    return 2 * len(a) ** 3 / np.median([seconds(lambda: a @ a) for _ in range(15)])


def flops_per_step(case: Case) -> float:
    """Multiplications and additions in the matrix products of all members, a step's share of evaluations included."""
    first, *later, _ = (layer.weight[:, 0] for layer in case.start)
    forward, backward = (2 * (first.size + n * sum(w.size for w in later)) for n in (1, 2))
    evaluated = (len(case.train.target) + len(case.validation.target)) / EVALUATE_EVERY
    return case.train.rows.shape[2] * (case.batches.shape[2] * (forward + backward) + evaluated * forward)


def compare(case: Case, repeats: int, peak: float) -> str:
    """One line of the table."""
    ours, compilation = basinet_program(case)
    programs = [ours, torch_loop(case), torch_vmap(case)]
    curves = [program() for program in programs]
    deviation = max(float(np.abs(curve / curves[0] - 1).max()) for curve in curves[1:])
    if not deviation < 1e-3:
        raise SystemExit(f"{case.architecture}: errors differ by {deviation:.1e}; the programs do not do the same")
    times = np.array([[seconds(program) for program in programs] for _ in range(repeats)]) / case.steps
    step = np.median(times, axis=0)
    ratios = np.median(times[:, 1:] / times[:, :1], axis=0)
    share = flops_per_step(case) / step[0] / peak
    return (
        f"{case.architecture.depth:5d} {case.architecture.width:5d} {case.batches.shape[2]:5d}"
        f" {step[0] * 1e6:9.0f} {step[1] * 1e6:9.0f} {step[2] * 1e6:10.0f} {ratios[0]:7.1f} {ratios[1]:10.1f}"
        f" {share:6.0%} {compilation:9.1f} {deviation:9.0e}"
    )


def main() -> None:
    """Print the table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 32, 128, 512])
    parser.add_argument("--batches", type=int, nargs="+", default=[10, 75], help="frames a step, up to 75")
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, peak = argon(), matrix_peak()
    print(f"{options.members} networks, {options.steps} steps, us/step on one thread, median of {options.repeats};")
    print(f"JAX {jax.__version__}, PyTorch {torch.__version__}; NumPy's matrix product: {peak / 1e9:.0f} Gflop/s")
    print(
        f"{'depth':>5} {'width':>5} {'batch':>5} {'basinet':>9} {'torch':>9} {'torch.func':>10} {'ratio':>7}"
        f" {'ratio.func':>10} {'peak':>6} {'compile/s':>9} {'deviation':>9}"
    )
    for depth in options.depths:
        for batch in options.batches:
            for width in options.widths:
                case = prepare(depth, width, batch, options.steps, options.members, data)
                print(compare(case, options.repeats, peak), flush=True)


if __name__ == "__main__":
    main()
