"""Scans that grow while one looks: each ends equal to the finished one."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from live_cases import MU, Gate, axial, phantom, scan_of

from MITOReconstructionLib import InputError, Scan, VolumeGrid, mito_geometry, open_scan, reconstruct, simulate
from MITOReconstructionLib.live import GrowingScan, LiveSettings, LiveSlices, Plane, SliceResult, open_growing
from MITOReconstructionLib.live.level import Level
from MITOReconstructionLib.live.once import reconstruct_slice
from MITOReconstructionLib.live.pyramid import BinnedScan, TiltedScan

EXACT = 1e-4 * MU
PATIENCE = 300.0
TURNS = LiveSettings(mode="last complete turn")


@pytest.fixture(scope="module", params=["rising", "falling", "circle"])
def finished(request: pytest.FixtureRequest) -> Scan:
    options = {"falling": {"direction": -1, "turns": 3.0}, "circle": {"pitch": 0.0, "turns": 1.0}}
    return scan_of(mito_geometry(16, centre=0.0, **options.get(request.param, {"turns": 3.0})))


class Follower:
    """Waits for results."""

    def __init__(self) -> None:
        self.results: list[SliceResult] = []
        self._changed = threading.Condition()

    def __call__(self, result: SliceResult) -> None:
        with self._changed:
            self.results.append(result)
            self._changed.notify_all()

    def until_complete(self, after: int = 0) -> SliceResult:
        """The newest result, once it is complete and its number is larger."""

        def there() -> bool:
            return bool(self.results) and self.results[-1].complete and self.results[-1].number > after

        with self._changed:
            assert self._changed.wait_for(there, PATIENCE)
            return self.results[-1]


@pytest.mark.parametrize("settings", [LiveSettings(), TURNS])
def test_a_scan_whose_views_come_one_by_one(finished: Scan, settings: LiveSettings) -> None:
    growing, follow = GrowingScan(finished.geometry), Follower()
    plane = axial(0.0, shape=(32, 32), spacing=5.0)
    expected = reconstruct_slice(finished, plane).image
    order = np.arange(finished.geometry.views)
    order[10:14] = order[10:14][::-1]  # some come late
    with LiveSlices(growing, settings, callback=follow) as live:
        live.request("Red", plane)
        for view in order[:-1]:
            growing.add_view(int(view), finished.projections[view])
        assert live.wait(PATIENCE)
        assert growing.arrived == finished.geometry.views - 1
        assert not growing.finished
        growing.add_view(int(order[-1]), finished.projections[-1])
        last = follow.until_complete()
        assert live.wait(PATIENCE)
        status = live.status()
    assert growing.finished
    assert status.arrived == status.views
    assert status.ready == status.beams
    assert last.level == "final"
    assert np.abs(last.image - expected).max() < EXACT
    assert np.abs(reconstruct_slice(growing, plane).image - expected).max() < EXACT


def test_slices_are_refreshed_as_views_come() -> None:
    """What a part of the views makes up is what a scan of these views alone shows where they see enough."""
    whole = scan_of(mito_geometry(16, centre=0.0, turns=3.0))
    growing = GrowingScan(whole.geometry)
    half = whole.geometry.views // 2 + 60
    plane = axial(-20.0, shape=(24, 24), spacing=5.0)
    with LiveSlices(growing) as live:
        live.request("Red", plane)
        assert live.wait(PATIENCE)
        first = live.poll()[-1]
        assert not first.image.any()
        assert not first.complete
        gate = threading.Event()
        growing.subscribe(lambda: gate.set() if growing.arrived == half else None)
        for view in range(half):
            growing.add_view(view, whole.projections[view])
        assert gate.wait(PATIENCE)
        image = live.reconstruct(plane)
    alone = Scan.from_arrays(whole.projections[:half], whole.geometry.select(slice(0, half)))
    assert np.abs(image.image - reconstruct_slice(alone, plane).image).max() < 0.02 * MU
    assert image.image.max() > MU / 2


def test_which_beams_are_used() -> None:
    """Whole turns: of a helix all there are, of a circle the last one."""
    for pitch, first_of_second in ((106.56, 0), (0.0, None)):
        geometry = mito_geometry(24, centre=0.0, pitch=pitch, turns=3.5)
        level = Level(GrowingScan(geometry), LiveSettings(), 1 << 40)
        turn = 2 * level.plan.half_turn
        several = round(2.6 * turn)
        first, last = level.ready(several, whole_turns=False)
        assert first == 0
        assert several - turn * 0.2 < last < several
        first, last = level.ready(several, whole_turns=True)
        assert last == 2 * turn
        assert first == (0 if first_of_second == 0 else turn)
        assert level.ready(geometry.views, whole_turns=True) == (0, level.plan.beams)
        assert level.ready(10, whole_turns=False) == (0, 0)
        ready = level.ready(several, whole_turns=False)[1]
        needed = level.plan.view_span(ready - 1, ready)[1]
        assert needed <= several


def test_the_context_volume_grows_too() -> None:
    whole = scan_of(mito_geometry(16, centre=0.0, turns=3.0))
    growing = GrowingScan(whole.geometry)
    with LiveSlices(growing) as live:
        live.request_context(16)
        assert live.wait(PATIENCE)
        early = live.context()
        assert early is not None
        assert not early.complete
        for view in range(whole.geometry.views):
            growing.add_view(view, whole.projections[view])
        live.reconstruct(axial(0.0, shape=(4, 4), spacing=5.0))  # the engine has seen the end
        assert live.wait(PATIENCE)
        late = live.context()
    with LiveSlices(whole) as live:
        live.request_context(16)
        assert live.wait(PATIENCE)
        expected = live.context()
    assert late is not None
    assert expected is not None
    assert late.complete
    assert np.abs(late.array - expected.array).max() < EXACT


@pytest.mark.parametrize("header", ["final", "present"])
def test_a_file_that_grows(tmp_path: Path, header: str) -> None:
    """The header may state the final shape or the views of the moment; a half-written view does not count."""
    folder = simulate(tmp_path / "sample", phantom(), mito_geometry(24, centre=0.0, turns=2.5))
    sinogram = folder / "sinogram.npy"
    whole, complete = sinogram.read_bytes(), open_scan(folder)
    plane = axial(0.0, shape=(16, 16), spacing=8.0)
    expected = reconstruct_slice(complete, plane).image
    views = complete.geometry.views
    offset, item = len(whole) - complete.projections.nbytes, complete.projections[0].nbytes

    def write(count: float) -> None:
        data = whole[: offset + int(count * item)]
        if header == "present":
            data = data.replace(f"({views}, ".encode(), f"({int(count)}, ".encode().ljust(len(f"({views}, ")), 1)
        with sinogram.open("r+b") as file:
            file.write(data)
            file.truncate(len(data))

    write(0)
    growing, follow = open_growing(folder), Follower()
    assert growing.arrived == 0
    with LiveSlices(growing, callback=follow) as live:
        live.request("Red", plane)
        for count in (0.5, 30, views // 2 + 0.3, views - 1):
            write(count)
            assert growing.arrived == int(count)
        sinogram.write_bytes(whole)
        last = follow.until_complete()
    assert growing.finished
    assert np.abs(last.image - expected).max() < EXACT


def test_who_waits_has_what_is_in_the_file_by_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However seldom the file is looked at."""
    monkeypatch.setattr("MITOReconstructionLib.live.arrivals.LOOK_SECONDS", 3600.0)
    folder = simulate(tmp_path / "sample", phantom(), mito_geometry(24, centre=0.0, turns=2.5))
    sinogram, plane = folder / "sinogram.npy", axial(0.0, shape=(16, 16), spacing=8.0)
    whole, complete = sinogram.read_bytes(), open_scan(folder)
    expected = reconstruct_slice(complete, plane).image
    offset, item = len(whole) - complete.projections.nbytes, complete.projections[0].nbytes
    for wait in (True, False):
        sinogram.write_bytes(whole[: offset + 3 * item])
        with LiveSlices(open_growing(folder)) as live:
            live.request("Red", plane)
            assert live.wait(PATIENCE)
            assert not live.poll()[-1].complete
            sinogram.write_bytes(whole)
            if wait:
                assert live.wait(PATIENCE)
                result = live.poll()[-1]
            else:
                result = live.reconstruct(plane)
            assert result.complete
            assert np.abs(result.image - expected).max() < EXACT
            sinogram.unlink()
            assert live.wait(PATIENCE)
            assert live.wait(0.0)


def test_a_recording_that_begins_anew(tmp_path: Path) -> None:
    """The file becomes shorter: nothing of what was read of it before is shown any more, or taken for something new."""
    folder = simulate(tmp_path / "sample", phantom(), mito_geometry(24, centre=0.0, turns=2.5))
    sinogram, finished, plane = folder / "sinogram.npy", open_scan(folder), axial(0.0, shape=(16, 16), spacing=8.0)
    whole, follow = sinogram.read_bytes(), Follower()
    offset, item = len(whole) - finished.projections.nbytes, finished.projections[0].nbytes
    with LiveSlices(finished) as live:
        live.request_context(16)
        expected = live.reconstruct(plane).image
        assert live.wait(PATIENCE)
        volume = live.context()
    first = whole[:offset] + (2.0 * np.frombuffer(whole, np.float32, offset=offset)).tobytes()
    sinogram.write_bytes(first[: offset + 3 * finished.geometry.views // 4 * item])
    with LiveSlices(open_growing(folder), callback=follow) as live:
        live.request("Red", plane)
        live.request_context(16)
        before = follow.until_complete()
        assert before.image.max() > 1.5 * MU
        sinogram.write_bytes(whole[:offset])
        end = time.monotonic() + PATIENCE
        while live.status().arrived:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert live.wait(PATIENCE)
        assert not live.poll()[-1].image.any()
        sinogram.write_bytes(whole)
        after = follow.until_complete(before.number)
        end = time.monotonic() + PATIENCE
        while live.status().arrived < finished.geometry.views:  # the plane does not need the last ones, the volume does
            assert time.monotonic() < end
            time.sleep(0.01)
        assert live.wait(PATIENCE)
        context = live.context()
    assert np.abs(after.image - expected).max() < EXACT
    assert context is not None
    assert volume is not None
    assert context.complete
    assert np.abs(context.array - volume.array).max() < EXACT


def test_a_slice_that_failed_is_made_when_more_comes(tmp_path: Path, begin: threading.Event) -> None:
    folder = simulate(tmp_path / "sample", phantom(), mito_geometry(24, centre=0.0, turns=2.5))
    sinogram, plane, follow = folder / "sinogram.npy", axial(0.0, shape=(16, 16), spacing=8.0), Follower()
    whole = sinogram.read_bytes()
    sinogram.write_bytes(whole[: len(whole) // 2])
    growing = open_growing(folder)
    with LiveSlices(growing, callback=follow) as live:
        sinogram.rename(folder / "away")
        live.request("Red", plane)
        begin.set()
        assert live.wait(PATIENCE)
        assert "No such file" in live.poll()[-1].error
        (folder / "away").write_bytes(whole)
        (folder / "away").rename(sinogram)
        last = follow.until_complete()
        assert live.status().error == last.error == ""


def test_a_growing_file_that_vanishes(tmp_path: Path) -> None:
    folder = simulate(tmp_path / "sample", phantom(), mito_geometry(24, centre=0.0, turns=2.5))
    growing = open_growing(folder)
    (folder / "sinogram.npy").unlink()
    with pytest.raises(InputError, match=r"sinogram.npy: expected the file as it was when the scan was opened"):
        _ = growing.arrived
    with LiveSlices(GrowingScan(growing.geometry)) as live:
        assert live.wait(PATIENCE)
    with pytest.raises(InputError, match=r"sinogram.npy: expected a .npy file"):
        open_growing(folder)


def test_somebody_else_sees_the_last_views_first(tmp_path: Path) -> None:
    """The engine does not stop looking because another thread has seen that the scan is complete."""
    folder = simulate(tmp_path / "sample", phantom(), mito_geometry(24, centre=0.0, turns=2.5))
    whole = (folder / "sinogram.npy").read_bytes()
    (folder / "sinogram.npy").write_bytes(whole[: len(whole) // 2])
    growing, follow = open_growing(folder), Follower()
    with LiveSlices(growing, callback=follow) as live:
        live.request("Red", axial(0.0, shape=(16, 16), spacing=8.0))
        assert live.wait(PATIENCE)
        (folder / "sinogram.npy").write_bytes(whole)
        assert growing.arrived == growing.geometry.views
        assert growing.finished
        follow.until_complete()


def test_fbp_notices_that_the_file_is_not_what_the_beams_were_made_of(tmp_path: Path) -> None:
    folder = simulate(tmp_path / "sample", phantom(), mito_geometry(24, centre=0.0, turns=2.5))
    sinogram, sample = folder / "sinogram.npy", open_scan(folder)
    whole = sinogram.read_bytes()
    grid = VolumeGrid.from_bounds((-96, -96, -24), (96, 96, 24), spacing=8.0)
    expected = reconstruct(sample, grid=grid).array
    with LiveSlices(sample) as live:
        live.reconstruct(Plane.centred((0, 0, 0), (1, 0, 0), (0, 0, 1), (20, 80), 5.0))
        taken = reconstruct(sample, grid=grid).array
        assert np.abs(taken - expected).max() < EXACT
        assert not np.array_equal(taken, expected)  # they are those of the engine, of 16 bits
        sinogram.write_bytes(whole[:-4])
        with pytest.raises(InputError, match=r"sinogram.npy: expected \d+ bytes .* the file is truncated"):
            reconstruct(sample, grid=grid)
        sinogram.unlink()
        with pytest.raises(InputError, match=r"sinogram.npy: expected the file as it was"):
            reconstruct(sample, grid=grid)
        sinogram.write_bytes(whole)
        assert np.array_equal(reconstruct(sample, grid=grid).array, expected)  # whole, but written anew: its views are read


def test_views_that_do_not_fit(tmp_path: Path) -> None:
    geometry = mito_geometry(24, centre=0.0, turns=1.5)
    growing = GrowingScan(geometry)
    shape = (geometry.detector.columns, geometry.detector.rows)
    growing.add_view(0, np.zeros(shape))
    with pytest.raises(InputError, match="expected a new one of 0 to 165; found one that came before"):
        growing.add_view(0, np.zeros(shape))
    with pytest.raises(InputError, match="expected a new one of 0 to 165; found 166"):
        growing.add_view(166, np.zeros(shape))
    with pytest.raises(InputError, match=r"view 1: expected floating-point numbers of shape \(columns, rows\)"):
        growing.add_view(1, np.zeros(shape).T)
    with pytest.raises(InputError, match="expected views that have come, below 1; found 1"):
        growing.read(1, 2)
    with pytest.raises(InputError, match="folder: expected a folder that exists"):
        GrowingScan(geometry, folder=tmp_path / "none")


def test_views_kept_in_a_file(tmp_path: Path) -> None:
    geometry = mito_geometry(24, centre=0.0, turns=1.5)
    growing = GrowingScan(geometry, folder=tmp_path)
    view = np.full((geometry.detector.columns, geometry.detector.rows), 2.5, np.float32)
    growing.add_view(0, view)
    assert np.array_equal(growing.read(0, 1)[0], view)
    assert len(list(tmp_path.iterdir())) == 1
    growing.close()
    assert not list(tmp_path.iterdir())


def test_a_tilted_detector_while_views_come(tmp_path: Path) -> None:
    """Previews and final images of views that are turned back; the disk is told of them ahead as of any other views."""
    folder = simulate(tmp_path / "sample", phantom(), mito_geometry(24, centre=0.0, turns=2.5))
    sinogram, finished, settings = folder / "sinogram.npy", open_scan(folder), LiveSettings(tilt=1.5)
    whole, plane, told, follow = sinogram.read_bytes(), axial(0.0, shape=(16, 16), spacing=8.0), set(), Follower()

    class Telling(GrowingScan):
        def announce(self, first: int, last: int) -> None:
            told.update(range(first, last))
            super().announce(first, last)

    sinogram.write_bytes(whole[: len(whole) // 2])
    with LiveSlices(Telling._of_folder(folder, "telling"), settings, callback=follow) as live:
        live.request("Red", plane)
        assert live.wait(PATIENCE)
        assert told
        assert max(told) < finished.geometry.views // 2
        sinogram.write_bytes(whole)
        last = follow.until_complete()
    assert np.abs(last.image - reconstruct_slice(finished, plane, settings).image).max() < EXACT
    small = BinnedScan(TiltedScan(finished, 0.01))
    assert small.stamp() == finished.stamp()
    sinogram.unlink()
    with pytest.raises(InputError, match=r"sinogram.npy: expected the file as it was"):
        small.stamp()


def test_closing_ends_the_subscription() -> None:
    geometry = mito_geometry(24, centre=0.0, turns=1.5)
    growing, gate = GrowingScan(geometry), Gate()
    gate.opened.set()
    end = growing.subscribe(gate)
    LiveSlices(growing).close()
    growing.add_view(0, np.zeros((geometry.detector.columns, geometry.detector.rows)))
    assert gate.entered.is_set()
    gate.entered.clear()
    end()
    end()
    growing.add_view(1, np.zeros((geometry.detector.columns, geometry.detector.rows)))
    assert not gate.entered.is_set()
    assert growing.arrived == 2
    assert math.isclose(growing.geometry.turns, geometry.turns)


def test_a_method_takes_the_views_that_are_there(tmp_path: Path) -> None:
    whole = open_scan(simulate(tmp_path / "sample", phantom(), mito_geometry(32, centre=0.0, turns=2.5)))
    views = whole.geometry.views - 30
    path = tmp_path / "sample" / "sinogram.npy"
    path.write_bytes(path.read_bytes()[: -30 * whole.projections[0].nbytes])
    growing, grid = open_growing(tmp_path / "sample"), VolumeGrid((-20.0, -20.0, -10.0), (20.0, 20.0, 10.0), (8, 8, 4))
    with pytest.raises(InputError, match=rf"views that have come, below {views};.* use those that are there, views=slice\(0, {views}\)"):
        reconstruct(growing, grid=grid)
    volume = reconstruct(growing, grid=grid, views=slice(0, views))
    expected = reconstruct(open_scan(tmp_path / "sample", recorded=views), grid=grid)
    np.testing.assert_array_equal(volume.array, expected.array)
    assert volume.array.max() > MU / 2
