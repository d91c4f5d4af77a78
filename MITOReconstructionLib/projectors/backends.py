"""What computes A and its adjoint, or filtered backprojection: a table of backends by name, and the choice of one for a purpose.

A backend is chosen once and said aloud: ``backend.name`` and ``backend.description`` go into logs and provenance. There
is no silent fall-back: only "auto" chooses, and asking for a backend that is not there, or that does not do what is wanted, is an
error that says what to do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, MissingPackageError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.projectors.arguments import Report

__all__ = ["AUTO", "FBP", "PROJECTION", "Backend", "BackendState", "backend_names", "backend_states", "choose_backend"]

AUTO = "auto"
PROJECTION = "projection and its adjoint"
FBP = "filtered backprojection"


@runtime_checkable
class Backend(Protocol):
    """Computes forward projection and its adjoint.

    name : its name in the table;
    description : for people, with the device it runs on;
    matched : whether ``back`` is the transpose of ``forward`` to rounding errors.

    ``forward`` and ``back`` are documented at :func:`MITOReconstructionLib.projectors.cpu.forward` and
    :func:`~MITOReconstructionLib.projectors.cpu.back`; every backend keeps to them.
    """

    @property
    def name(self) -> str:
        """The backend's name in the table."""

    @property
    def description(self) -> str:
        """For people: how and on which device."""

    @property
    def matched(self) -> bool:
        """Whether ``back`` is the transpose of ``forward`` to rounding errors."""

    def forward(
        self,
        volume: Any,
        grid: VolumeGrid,
        geometry: ScanGeometry,
        out: Any = None,
        *,
        views: Views = None,
        accumulate: bool = False,
        report: Report | None = None,
    ) -> NDArray[Any]:
        """Line integrals of a volume, shape (n, columns, rows)."""

    def back(
        self,
        projections: Any,
        grid: VolumeGrid,
        geometry: ScanGeometry,
        out: Any = None,
        *,
        views: Views = None,
        accumulate: bool = False,
        report: Report | None = None,
    ) -> NDArray[Any]:
        """The transpose of :meth:`forward`, shape [x, y, z]."""


class _Entry(NamedTuple):
    """One line of the table: a way to make the backend, which raises where it cannot work, and words for people."""

    make: Callable[[], Backend]
    summary: str
    install: str
    purposes: tuple[str, ...]
    title: str
    packages: tuple[str, ...] = ()


class BackendState(NamedTuple):
    """A backend, and whether it can be used.

    name : in the table;
    title : a few words for people;
    available : whether it can be used now;
    text : its description, or why it cannot be used;
    packages : what to install so that it can be, as pip has them; none where installing does not help.
    """

    name: str
    title: str
    available: bool
    text: str
    packages: tuple[str, ...]


def _make_cpu() -> Backend:
    from MITOReconstructionLib.projectors.cpu import CpuBackend

    return CpuBackend()


def _make_astra() -> Backend:
    from MITOReconstructionLib.projectors.astra_gpu import AstraBackend

    return AstraBackend()


def _make_cuda() -> Backend:
    from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend

    return CudaBackend()


# Fastest first: the order in which "auto" tries them.
_TABLE: dict[str, _Entry] = {
    "cuda": _Entry(
        _make_cuda,
        f"an NVIDIA GPU for {FBP}, through CuPy",
        "pip install 'mito-reconstruction[cuda]'",
        (FBP,),
        "GPU (CUDA)",
        ("cupy-cuda12x>=14", "nvidia-cuda-nvrtc-cu12>=12", "nvidia-cuda-runtime-cu12>=12", "nvidia-cufft-cu12>=11"),
    ),
    "astra": _Entry(
        _make_astra,
        f"an NVIDIA GPU for {PROJECTION}, through the ASTRA toolbox",
        "pip install 'mito-reconstruction[astra]'",
        (PROJECTION,),
        "GPU (ASTRA)",
        ("astra-toolbox>=2.5.0",),
    ),
    "cpu": _Entry(_make_cpu, "all CPU cores, through numba", "pip install mito-reconstruction", (PROJECTION, FBP), "CPU"),
}


def backend_names() -> tuple[str, ...]:
    """What :func:`choose_backend` takes, "auto" first."""
    return (AUTO, *_TABLE)


def backend_states() -> tuple[BackendState, ...]:
    """Every backend of the table, the fastest first, and whether it can be used now; it is tried each time."""
    return tuple(_state(name, entry) for name, entry in _TABLE.items())


def _state(name: str, entry: _Entry) -> BackendState:
    try:
        return BackendState(name, entry.title, True, entry.make().description, ())
    except MissingPackageError as problem:
        packages = () if sys.platform == "darwin" else entry.packages  # ASTRA is not built for it
        return BackendState(name, entry.title, False, str(problem), packages)
    except (ImportError, InputError) as problem:
        return BackendState(name, entry.title, False, str(problem), ())


def choose_backend(name: str | Backend = AUTO, purpose: str = PROJECTION) -> Backend:
    """The backend of that name.

    Parameters
    ----------
    name : str or Backend
        "cpu", "astra", "cuda", or "auto": the GPU where there is one and what it takes, else the CPU. A backend object is returned
        as it is.
    purpose : str
        ``PROJECTION`` or ``FBP``: what the backend has to do.

    Returns
    -------
    Backend
        Its ``name`` and ``description`` say which one it became.

    Raises
    ------
    InputError
        When there is no backend of that name, it does not do what is wanted, or it finds no device; the text lists what there is.
    MissingPackageError
        When its package is not installed; the text says what to install.
    """
    known = name if isinstance(name, str) else name.name
    if isinstance(name, str) and name != AUTO and name not in _TABLE:
        raise InputError(
            "backend",
            expected=f"one of {', '.join(backend_names())}",
            found=repr(name),
            remedy="; ".join(f"'{key}' is {entry.summary} ({entry.install})" for key, entry in _TABLE.items()) + ".",
        )
    if known in _TABLE and purpose not in _TABLE[known].purposes:
        able = [key for key, entry in _TABLE.items() if purpose in entry.purposes]
        raise InputError(
            "backend",
            expected=f"one that does {purpose}: {', '.join([AUTO, *able])}",
            found=f"'{known}', which is {_TABLE[known].summary}",
            remedy=f"Choose '{AUTO}' or one of these.",
        )
    if not isinstance(name, str):
        return name
    return _first_available(purpose) if name == AUTO else _TABLE[name].make()


def _first_available(purpose: str) -> Backend:
    *preferred, last = (entry for entry in _TABLE.values() if purpose in entry.purposes)
    for entry in preferred:
        try:
            return entry.make()
        except (ImportError, InputError):
            continue
    return last.make()
