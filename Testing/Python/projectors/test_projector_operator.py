"""The ODL operator: adjoint in weighted and plain spaces, ODL's solvers, ODL's geometry."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError, MissingPackageError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors.cpu import back, forward
from MITOReconstructionLib.projectors.operator import ray_transform

odl = pytest.importorskip("odl")

from MITOReconstructionLib.projectors.odl_operator import odl_geometry  # noqa: E402

GRID = VolumeGrid((-50, -60, -30), (60, 50, 30), (22, 20, 16))


def block(grid: VolumeGrid) -> np.ndarray:
    volume = np.zeros(grid.shape, np.float32)
    volume[6:16, 4:15, 4:12] = 0.02
    volume[9:12, 7:10, 6:9] = 0.05
    return volume


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_adjoint_fits_the_inner_products(geometry: ScanGeometry, weighted: bool, dtype: str) -> None:
    operator = ray_transform(geometry, GRID, "cpu", weighted=weighted, dtype=dtype)
    rng = np.random.default_rng(11)
    x = operator.domain.element(rng.random(operator.domain.shape))
    y = operator.range.element(rng.random(operator.range.shape))
    left, right = float(operator(x).inner(y)), float(x.inner(operator.adjoint(y)))
    assert left == pytest.approx(right, rel=1e-5)
    assert left > 0
    assert operator.adjoint.adjoint is operator
    assert operator.is_linear
    assert operator.backend.name == "cpu"


def test_weights_change_the_adjoint_by_a_factor_only(centred: ScanGeometry) -> None:
    weighted, plain = (ray_transform(centred, GRID, "cpu", weighted=w) for w in (True, False))
    x, y = np.random.default_rng(12).random(GRID.shape), np.random.default_rng(13).random(plain.range.shape)
    np.testing.assert_array_equal(np.asarray(plain(x).asarray()), forward(x, GRID, centred))
    np.testing.assert_array_equal(np.asarray(plain.adjoint(y).asarray()), back(y, GRID, centred))
    factor = abs(centred.angle_step) * np.prod(centred.detector.pixel_size) / np.prod(GRID.spacing)
    np.testing.assert_allclose(np.asarray(weighted.adjoint(y).asarray()), factor * back(y, GRID, centred), rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(weighted(x).asarray()), forward(x, GRID, centred))


def test_results_go_where_the_caller_says(centred: ScanGeometry) -> None:
    operator = ray_transform(centred, GRID, "cpu")
    x = operator.domain.element(block(GRID))
    out = operator.range.one()
    assert operator(x, out=out) is out
    np.testing.assert_array_equal(np.asarray(out.asarray()), forward(block(GRID), GRID, centred))
    both = 2.0 * operator + operator
    np.testing.assert_allclose(np.asarray(both(x).asarray()), 3 * np.asarray(out.asarray()), rtol=1e-5)


@pytest.mark.parametrize("weighted", [True, False])
def test_odls_solvers_find_the_volume(weighted: bool) -> None:
    from projector_cases import GEOMETRIES

    operator = ray_transform(GEOMETRIES["circle"], GRID, "cpu", weighted=weighted)
    truth = operator.domain.element(block(GRID))
    data = operator(truth)
    norm = operator.norm(estimate=True, xstart=operator.domain.one())
    assert type(norm) is float

    def residual(x: object) -> float:
        return float((operator(x) - data).norm() / data.norm())

    landweber = operator.domain.zero()
    odl.solvers.landweber(operator, landweber, data, niter=20, omega=1.0 / norm**2)
    conjugate = operator.domain.zero()
    odl.solvers.conjugate_gradient_normal(operator, conjugate, data, niter=20)
    assert residual(conjugate) < residual(landweber) < 0.2
    assert residual(conjugate) < 0.02
    assert float((conjugate - truth).norm() / truth.norm()) < 0.3


def test_odls_primal_dual_solver_runs_with_total_variation(centred: ScanGeometry) -> None:
    operator = ray_transform(centred, GRID, "cpu")
    data = operator(operator.domain.element(block(GRID)))
    gradient = odl.Gradient(operator.domain)
    stacked = odl.BroadcastOperator(operator, gradient)
    fit = odl.functionals.L2NormSquared(operator.range).translated(data)
    smooth = 1e-3 * odl.functionals.GroupL1Norm(gradient.range)
    norm = 1.1 * float(
        operator.norm(estimate=True, xstart=operator.domain.one())
        + gradient.norm(estimate=True, xstart=operator.domain.element(block(GRID)))
    )
    x = operator.domain.zero()
    positive = odl.functionals.IndicatorNonnegativity(operator.domain)
    odl.solvers.pdhg(x, positive, odl.functionals.SeparableSum(fit, smooth), stacked, niter=60, tau=1.0 / norm, sigma=1.0 / norm)
    assert float((operator(x) - data).norm() / data.norm()) < 0.5
    assert float(np.asarray(x.asarray()).min()) >= 0.0


def test_odls_geometry_is_ours(geometry: ScanGeometry) -> None:
    theirs = odl_geometry(geometry)
    d = geometry.detector
    np.testing.assert_allclose(np.atleast_2d(theirs.src_position(geometry.angles)), geometry.sources(), atol=1e-9)
    column, row = d.column_centres()[7], d.row_centres()[3]
    for view, angle in enumerate(geometry.angles):
        ours = geometry.detector_points(view, columns=[column], rows=[row])[0, 0, 0]
        np.testing.assert_allclose(theirs.det_point_position(angle, [column, row]), ours, atol=1e-9)


def test_odls_geometry_needs_different_angles(centred: ScanGeometry) -> None:
    twice = ScanGeometry([0.0, 1.0, 1.0], [0.0, 0.0, 5.0], 503.0, 0.0, centred.detector)
    with pytest.raises(InputError, match="views 1 and 2 both at 1"):
        odl_geometry(twice)


def test_another_dtype_is_refused(centred: ScanGeometry) -> None:
    with pytest.raises(InputError, match="dtype: expected float32 or float64; found complex64"):
        ray_transform(centred, GRID, "cpu", dtype=np.complex64)


def test_without_odl_the_error_says_what_to_install(centred: ScanGeometry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "MITOReconstructionLib.projectors.odl_operator")
    monkeypatch.setitem(sys.modules, "odl", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'mito-reconstruction\[odl\]'"):
        ray_transform(centred, GRID, "cpu")


def test_importing_odl_leaves_numpys_print_options_alone() -> None:
    code = "import numpy; import MITOReconstructionLib.projectors.odl_operator; print(numpy.get_printoptions()['legacy'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
