"""What iterative methods share: start, stop, non-negativity, previews, failures; and each method's own ways."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest

from MITOReconstructionLib import InputError, Monitor, Scan, ScanGeometry, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.errors import Cancelled, WorkError
from MITOReconstructionLib.jobs import Volume
from MITOReconstructionLib.methods import blocks, context, kept, system
from MITOReconstructionLib.methods.os_sart import ordered_subsets
from MITOReconstructionLib.projectors.cpu import back
from MITOReconstructionLib.scan.line_integrals import project, sample
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom

BALL = Phantom("ball", (Ellipsoid((10.0, -10.0, 4.0), (50.0, 45.0, 30.0), 0.02), Ellipsoid((20.0, 0.0, 4.0), (12.0, 10.0, 12.0), -0.01)))
FINE = VolumeGrid.from_bounds((-60, -66, -36), (72, 48, 42), spacing=6.0)
GRID = VolumeGrid.from_bounds((-60, -66, -36), (72, 54, 48), spacing=12.0)
CORNER = GRID.region((2, 2, 1), (8, 8, 5))
METHODS = ("sirt", "cgls", "os-sart", "tv", "landweber")


def scan_of(geometry: ScanGeometry) -> Scan:
    return Scan.from_arrays(project(BALL, geometry, subrays=(2, 2)), geometry)


@pytest.fixture(scope="module")
def scan() -> Scan:
    return scan_of(mito_geometry(24, turns=2.0, centre=0.0))


@pytest.fixture(scope="module")
def fine() -> Scan:
    return scan_of(mito_geometry(12, turns=2.0, centre=0.0))


def test_adjoint_is_the_transpose_of_the_projections(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = back(np.asarray(scan.projections), GRID, scan.geometry)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 40 * 4 * scan.geometry.detector.columns * scan.geometry.detector.rows)
    volume = reconstruct(scan, grid=GRID, method="adjoint")
    np.testing.assert_allclose(volume.array, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert volume.provenance["unit"] == "mm"


def test_adjoint_of_chosen_views(scan: Scan) -> None:
    chosen = np.array([3, 4, 5, 40, 17])
    expected = back(np.asarray(scan.projections)[chosen], GRID, scan.geometry.select(chosen))
    volume = reconstruct(scan, grid=GRID, method="adjoint", views=chosen)
    np.testing.assert_allclose(volume.array, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert volume.provenance["views"] == "3,4,5,40,17"


def test_landweber_lowers_residual_and_error(fine: Scan) -> None:
    truth = sample(BALL, FINE, 3)
    few = reconstruct(fine, grid=FINE, method="landweber", parameters={"iterations": 5, "context": False})
    many = reconstruct(fine, grid=FINE, method="landweber", parameters={"niter": 60, "relaxation": 1.9, "context": False})
    residuals = many.provenance["report"]["residuals"]
    assert residuals[0] == 1.0
    assert all(b < a for a, b in itertools.pairwise(residuals))
    assert residuals[-1] < 0.08
    error = [float(np.sqrt(np.mean((volume.array - truth) ** 2))) / 0.02 for volume in (few, many)]
    assert error[1] < 0.5 * error[0]
    assert error[1] < 0.08  # voxels of 6 mm: mostly the edges
    middle = many.array[6:9, 4:6, 6:8]
    assert middle.mean() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("name", METHODS)
def test_non_negative(name: str, scan: Scan) -> None:
    free = reconstruct(scan, grid=GRID, method=name, parameters={"iterations": 3, "context": False, "non_negative": False})
    bound = reconstruct(scan, grid=GRID, method=name, parameters={"iterations": 3, "context": False, "non_negative": True})
    assert free.array.min() < 0
    assert bound.array.min() == 0
    assert bound.provenance["report"]["residuals"][-1] < 0.9


@pytest.mark.parametrize("name", METHODS)
def test_progress_counts_iterations(name: str, scan: Scan) -> None:
    seen = []
    volume = reconstruct(scan, grid=GRID, method=name, parameters={"niter": 3, "start": "zero"}, progress=seen.append)
    done = [p for p in seen if p.residual is not None]
    assert [p.iteration for p in done] == [1, 2, 3]
    assert done[-1].fraction == 1.0
    assert all(b.residual < a.residual for a, b in itertools.pairwise(done))
    report = volume.provenance["report"]
    assert report["residuals"] == [p.residual for p in done]
    assert (report["iterations"], report["stopped"], report["start"]) == (3, "iterations", "zero")


def test_starts(scan: Scan) -> None:
    fbp = reconstruct(scan, grid=GRID)
    from_fbp = reconstruct(scan, grid=GRID, method="sirt", parameters={"iterations": 1, "start": "fbp"})
    given = reconstruct(scan, grid=GRID, method="sirt", parameters={"iterations": 1}, initial=fbp)
    np.testing.assert_array_equal(given.array, from_fbp.array)
    assert given.provenance["report"]["start"] == "given"
    assert from_fbp.provenance["report"]["residuals"][0] < 0.3
    few = reconstruct(scan, grid=GRID, method="cgls", parameters={"iterations": 1}, views=slice(40, 80))
    assert few.provenance["report"]["start"].startswith("zero; no filtered backprojection: views: expected at least half a turn")
    assert few.provenance["report"]["context"].startswith("no filtered backprojection of the surroundings")


@pytest.mark.parametrize(
    ("initial", "text"),
    [
        (np.zeros((2, 2, 2), np.float32), r"initial volume: expected finite numbers of shape \(x, y, z\) = \(11, 10, 7\).*found shape"),
        (np.full(GRID.shape, np.nan, np.float32), "found NaN or infinity"),
        (Volume(np.zeros(CORNER.shape, np.float32), CORNER, {}), "initial volume: expected"),
    ],
)
def test_a_start_that_does_not_fit(initial: object, text: str, scan: Scan) -> None:
    with pytest.raises(InputError, match=text):
        reconstruct(scan, grid=GRID, method="sirt", parameters={"context": False}, initial=initial)  # type: ignore[arg-type]


def test_stops_early(scan: Scan) -> None:
    report = reconstruct(scan, grid=GRID, method="cgls", parameters={"iterations": 30, "stop_residual": 0.2}).provenance["report"]
    assert report["stopped"] == "residual"
    assert report["residuals"][-1] <= 0.2
    parameters = {"iterations": 30, "stop_change": 0.2, "start": "zero"}
    report = reconstruct(scan, grid=GRID, method="cgls", parameters=parameters).provenance["report"]
    assert report["stopped"] == "change"
    before, last = report["residuals"][-2:]
    assert before - last < 0.2 * before


def test_previews_and_a_finish_by_the_caller(scan: Scan) -> None:
    shown: dict[int, np.ndarray] = {}

    def preview(iteration: int, volume: np.ndarray) -> None:
        assert not volume.flags.writeable
        shown[iteration] = volume.copy()
        if iteration == 4:
            monitor.finish()

    monitor = Monitor(preview=preview, preview_every=2)
    volume = reconstruct(scan, grid=GRID, method="sirt", parameters={"iterations": 50}, monitor=monitor)
    assert list(shown) == [2, 4]
    np.testing.assert_array_equal(shown[4], volume.array)
    assert volume.provenance["report"]["stopped"] == "caller"
    with pytest.raises(InputError, match="preview_every: expected at least 1; found 0"):
        Monitor(preview=preview, preview_every=0)


@pytest.mark.parametrize("name", METHODS)
def test_cancel_leaves_no_file(name: str, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MEMORY", 0)
    opened: list[kept.Kept] = []
    monkeypatch.setattr(system, "Kept", lambda *given: opened.append(kept.Kept(*given)) or opened[-1])
    monitor = Monitor(lambda p: monitor.cancel() if p.residual is not None else None)
    with pytest.raises(Cancelled):
        reconstruct(scan, grid=CORNER, method=name, monitor=monitor)
    assert opened
    assert all(one.place == "nowhere" for one in opened)


@pytest.mark.parametrize("place", ["file", "nowhere"])
def test_kept_data_are_the_same_wherever_they_are(place: str, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"grid": CORNER, "method": "os-sart", "parameters": {"iterations": 2}}
    expected = reconstruct(scan, **settings)
    assert expected.provenance["report"]["context_data"] == "memory"
    monkeypatch.setattr(kept, "MEMORY", 0)
    if place == "nowhere":
        monkeypatch.setattr(kept, "SPARE", 1 << 60)
    volume = reconstruct(scan, **settings)
    assert volume.provenance["report"]["context_data"] == place
    np.testing.assert_allclose(volume.array, expected.array, rtol=1e-4, atol=1e-7)


def test_a_full_temporary_folder_is_a_clear_failure(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept, "MEMORY", 0)
    monkeypatch.setattr(kept.tempfile, "TemporaryFile", full)
    with pytest.raises(WorkError, match=r"Cannot keep .* in the temporary folder .*: No space left on device"):
        reconstruct(scan, grid=CORNER, method="sirt")


@pytest.mark.parametrize("name", ["landweber", "tv"])
def test_a_diverging_run_names_its_iteration(name: str, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "norm_squared", lambda *given, **options: 1.0)
    with pytest.raises(WorkError, match=r"diverged at iteration \d+: the relative residual is .*smaller relaxation"):
        reconstruct(scan, grid=GRID, method=name, parameters={"iterations": 50, "context": False, "non_negative": False})


@pytest.mark.parametrize("step", [40, 60])
def test_surroundings_of_few_views_do_not_end_the_run(step: int, fine: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Total variation with ordered subsets goes astray on them: with 5.6 views a turn it begins to, with 3.7 it gives up."""
    monkeypatch.setattr(context, "VOXELS", 32**3)
    truth = sample(BALL, CORNER, 3)
    options = {"grid": CORNER, "method": "cgls", "views": slice(None, None, step)}
    taken_off = reconstruct(fine, **options, parameters={"iterations": 2})
    assert taken_off.provenance["report"]["context"].endswith("voxels, refined without subsets, with which it diverged")
    left = reconstruct(fine, **options, parameters={"iterations": 2, "context": False})
    assert np.mean((taken_off.array - truth) ** 2) < 0.8 * np.mean((left.array - truth) ** 2)
    monkeypatch.setattr(context, "CAREFUL", {**context.REFINEMENT, "relaxation": 1.99})
    unrefined = reconstruct(fine, **options, parameters={"iterations": 1})
    assert unrefined.provenance["report"]["context"].endswith("voxels, not refined, for that diverged")


@pytest.mark.parametrize("name", METHODS)
def test_an_empty_scan_gives_an_empty_volume(name: str, scan: Scan) -> None:
    empty = Scan.from_arrays(np.zeros_like(scan.projections), scan.geometry)
    volume = reconstruct(empty, grid=CORNER, method=name, parameters={"iterations": 3})
    np.testing.assert_array_equal(volume.array, 0.0)


@pytest.mark.parametrize("name", METHODS)
def test_a_grid_that_no_view_sees(name: str, scan: Scan) -> None:
    far = VolumeGrid((0.0, 0.0, 900.0), (10.0, 10.0, 910.0), (2, 2, 2))
    with pytest.raises(InputError, match="no view that sees it"):
        reconstruct(scan, grid=far, method=name)


@pytest.mark.parametrize(("views", "subsets"), [(100, 10), (7, 3), (3, 10), (1, 1)])
def test_ordered_subsets_are_all_views_spread_evenly(views: int, subsets: int) -> None:
    parts = ordered_subsets(views, subsets)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(views))
    assert all(len(np.unique(np.diff(part))) <= 1 for part in parts)
    assert len(parts) == min(views, subsets)


def test_two_runs_at_once(scan: Scan) -> None:
    expected = reconstruct(scan, grid=CORNER, method="cgls", parameters={"iterations": 2}).array
    results: list[np.ndarray] = []

    def work() -> None:
        results.append(reconstruct(scan, grid=CORNER, method="cgls", parameters={"iterations": 2}).array)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-7)


def test_previews_are_of_the_volume_asked_for(scan: Scan) -> None:
    """Not of the surroundings, for which few views take an iterative method too."""
    shapes, steps = [], []
    monitor = Monitor(steps.append, preview=lambda _, volume: shapes.append(volume.shape))
    reconstruct(scan, grid=CORNER, method="tv", parameters={"iterations": 2}, views=slice(None, None, 10), monitor=monitor)
    assert shapes == [CORNER.shape] * 2
    assert "surroundings" in {p.step for p in steps}
    assert [p.iteration for p in steps if p.residual is not None] == [1, 2]


def test_a_temporary_folder_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kept, "MEMORY", 1)
    monkeypatch.setattr(kept.tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(WorkError, match=r"Cannot keep .* in the temporary folder .*gone: No such file"):
        kept.Kept((2, 3, 4), lambda index, out: None)
