"""The engine: previews, the newest request, settings, faults, closing; with its real thread, and events where order matters."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
from live_cases import GRID, MU, CountingScan, Gate, attenuation, axial, flat, phantom

from MITOReconstructionLib import InputError, Scan, VolumeGrid, WorkError, mito_geometry, open_scan, reconstruct, simulate
from MITOReconstructionLib.live import LiveSettings, LiveSlices, Plane, Plugin, SliceResult
from MITOReconstructionLib.live.once import reconstruct_slice
from MITOReconstructionLib.live.plugins import PluginStep
from MITOReconstructionLib.methods import Parameters

EXACT = 1e-4 * MU
PATIENCE = 300.0


class Recorder:
    """Keeps every result that an engine gives."""

    def __init__(self) -> None:
        self.results: list[SliceResult] = []

    def __call__(self, result: SliceResult) -> None:
        self.results.append(result)


@dataclasses.dataclass(frozen=True)
class Nothing(Parameters):
    """No parameters."""


def gated(gate: Gate) -> PluginStep:
    """A plugin that holds the engine's thread until the gate is open."""

    def run(image: np.ndarray, parameters: Nothing) -> np.ndarray:
        gate()
        return image

    return PluginStep(Plugin("gate", "Gate", "Holds.", Nothing, run), Nothing())


def test_a_preview_comes_first_and_then_the_final_image(scan: Scan, begin: threading.Event) -> None:
    plane, seen = axial(spacing=2.0), Recorder()
    with LiveSlices(scan, callback=seen) as live:
        live.request("Red", plane)
        begin.set()
        assert live.wait(PATIENCE)
        status = live.status()
        polled = live.poll()
        assert live.poll() == []
    assert [(r.key, r.level, r.complete, r.error) for r in seen.results] == [("Red", "preview", False, ""), ("Red", "final", True, "")]
    preview, final = seen.results
    assert polled == [final]
    assert preview.number < final.number
    assert preview.plane is final.plane is plane
    assert preview.image.shape == final.image.shape == plane.shape
    assert not final.image.flags.writeable
    inside = flat(plane, 8.0)
    truth = attenuation(plane.positions())
    assert np.sqrt(np.mean((preview.image - truth)[inside] ** 2)) < 0.05 * MU
    assert np.abs(final.image - reconstruct_slice(scan, plane).image).max() < EXACT
    assert final.values["mean"] == pytest.approx(final.image.mean())
    assert {"filter", "backproject", "total"} <= set(final.seconds)
    assert not status.busy
    assert status.ready == status.beams
    assert 0 < status.filtered <= status.beams
    assert 0 < status.cache_bytes <= status.cache_limit


def test_a_large_scan_has_an_image_in_between(scan: Scan, monkeypatch: pytest.MonkeyPatch, begin: threading.Event) -> None:
    """Made only where many beams have to be filtered first; better than the first preview."""
    for name, value in {"COLUMNS": 48, "ROWS": 7, "DIRECTIONS": 36}.items():
        monkeypatch.setattr(f"MITOReconstructionLib.live.pyramid.{name}", value)
    plane, seen = axial(spacing=2.0), Recorder()
    with LiveSlices(scan, callback=seen) as live:
        live.request("Red", plane)
        begin.set()
        assert live.wait(PATIENCE)
        live.request("Red", axial(2.0, spacing=2.0))
        assert live.wait(PATIENCE)
    assert [result.level for result in seen.results] == ["preview", "preview", "final", "preview", "final"]
    assert [result.complete for result in seen.results] == [False, False, True, False, True]
    first, second, final = (result.image for result in seen.results[:3])
    assert np.sqrt(np.mean((second - final) ** 2)) < 0.7 * np.sqrt(np.mean((first - final) ** 2))


def test_the_first_slice_comes_before_all_is_filtered(scan: Scan, begin: threading.Event) -> None:
    gate = Gate()
    with LiveSlices(scan, callback=gate) as live:
        live.request("Red", axial())
        begin.set()
        assert gate.entered.wait(PATIENCE)
        at_first = live.status()
        gate.opened.set()
        assert live.wait(PATIENCE)
    assert at_first.filtered < 0.5 * at_first.beams


def test_of_a_drag_the_last_plane_is_shown_and_none_is_lost_at_rest(scan: Scan) -> None:
    """Three views are dragged, from three threads, while the engine works."""
    keys, seen = ("Red", "Green", "Yellow"), Recorder()

    def plane(key: str, number: int) -> Plane:
        z = -12.0 + 0.5 * number + keys.index(key)
        return axial(z, shape=(40, 40), spacing=4.0)

    with LiveSlices(scan, callback=seen) as live:

        def drag(key: str) -> None:
            for number in range(34):
                live.request(key, plane(key, number))

        hands = [threading.Thread(target=drag, args=(key,)) for key in keys]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()
        assert live.wait(PATIENCE)
        last = {result.key: result for result in live.poll()}
        assert live.planes == {key: plane(key, 33) for key in keys}
    for key in keys:
        assert last[key].plane == plane(key, 33)
        assert last[key].level == "final"
        assert last[key].complete
        assert np.abs(last[key].image - reconstruct_slice(scan, plane(key, 33)).image).max() < EXACT
        own = [result.plane.origin[2] for result in seen.results if result.key == key]
        assert own == sorted(own)  # never back to an older place
    assert [result.number for result in seen.results] == sorted(result.number for result in seen.results)


def test_a_newer_request_ends_the_work_on_an_older_one(scan: Scan) -> None:
    gate, seen = Gate(), Recorder()
    with LiveSlices(scan, plugins=[gated(gate)], callback=seen) as live:
        live.request("Red", axial(shape=(600, 600), spacing=0.3))
        assert gate.entered.wait(PATIENCE)  # its preview is made; the final image would come next
        for number in range(50):
            live.request("Red", axial(number * 0.1))
        gate.opened.set()
        assert live.wait(PATIENCE)
        held = live.status().filtered
    assert {result.plane for result in seen.results} == {axial(4.9)}
    assert [result.level for result in seen.results] == ["preview", "final"]
    assert held > 0


def test_previews_go_before_final_images(scan: Scan) -> None:
    gate, seen = Gate(), Recorder()
    with LiveSlices(scan, plugins=[gated(gate)], callback=seen) as live:
        live.request("Red", axial(0.0))
        assert gate.entered.wait(PATIENCE)
        live.request("Green", axial(3.0))
        live.request("Yellow", axial(6.0))
        gate.opened.set()
        assert live.wait(PATIENCE)
    assert [(r.key, r.level) for r in seen.results[:3]] == [("Red", "preview"), ("Yellow", "preview"), ("Green", "preview")]
    assert {(r.key, r.level) for r in seen.results[3:]} == {(key, "final") for key in ("Red", "Green", "Yellow")}


def test_pinned_planes_stay_and_follow_the_settings(scan: Scan) -> None:
    with LiveSlices(scan) as live:
        live.request("Red", axial(0.0))
        pinned = live.pin("Red")
        live.request("Red", axial(9.0))
        second = live.pin("Red")
        assert live.wait(PATIENCE)
        first = {result.key: result for result in live.poll()}
        assert [first[key].plane for key in (pinned, second, "Red")] == [axial(0.0), axial(9.0), axial(9.0)]
        live.forget(second)
        live.forget("nobody")
        live.change(LiveSettings(filter_type="Hann"))
        assert live.wait(PATIENCE)
        after = {result.key: result for result in live.poll()}
        assert set(after) == {pinned, "Red"}
        assert np.abs(after[pinned].image - first[pinned].image).max() > 10 * EXACT
        with pytest.raises(InputError, match=r"key: expected one of .*Red.*; found 'Blue'. Request a plane"):
            live.pin("Blue")


# ---- settings ----------------------------------------------------------------------------------------------------------


def test_every_slice_follows_the_filter(scan: Scan) -> None:
    planes = {"Red": axial(0.0), "Green": Plane.centred((0, 0, 0), (1, 0, 0), (0, 0, 1), (40, 20), 4.0)}
    smooth = LiveSettings(filter_type="Hann", frequency_scaling=0.7)
    with LiveSlices(scan) as live:
        for key, plane in planes.items():
            live.request(key, plane)
        assert live.wait(PATIENCE)
        live.poll()
        live.change(smooth)
        assert live.settings == smooth
        assert live.wait(PATIENCE)
        found = {result.key: result for result in live.poll()}
    for key, plane in planes.items():
        assert np.abs(found[key].image - reconstruct_slice(scan, plane, smooth).image).max() < EXACT


def test_a_setting_that_does_not_fit_changes_nothing(scan: Scan) -> None:
    with LiveSlices(scan) as live:
        before = live.settings
        with pytest.raises(InputError, match="at least half a turn"):
            live.change(LiveSettings(last_view=50))
        with pytest.raises(InputError, match="expected a range within 0 to 999 that is not empty; found 0 to 2000"):
            live.change(LiveSettings(last_view=2000))
        assert live.settings == before
        assert live.reconstruct(axial()).complete


def test_the_fill_value_does_not_filter_anew(scan: Scan) -> None:
    counting = CountingScan(scan)
    with LiveSlices(counting, LiveSettings(fill_value=0.0)) as live:
        plane = axial(shape=(30, 30), spacing=20.0)
        first = live.reconstruct(plane).image
        live.request_context(16)  # so that everything is filtered that will be
        assert live.wait(PATIENCE)
        live.change(LiveSettings(fill_value=5.0))
        seen = live.status().filtered
        again = live.reconstruct(plane)
        assert live.status().filtered >= seen
    assert "filter" not in again.seconds
    assert np.array_equal(again.image == 5.0, first == 0.0)


def test_fbp_takes_the_beams_that_are_filtered_already(small: Scan) -> None:
    counting = CountingScan(small)
    expected = reconstruct(small, grid=GRID).array
    hann = {"filter_type": "Hann"}
    with LiveSlices(counting) as live:
        everything = Plane.centred((0, 0, 0), (1, 0, 0), (0, 0, 1), (20, 80), 5.0)
        live.reconstruct(everything)
        counting.views_read.clear()
        found = reconstruct(counting, grid=GRID).array
        assert len(set(counting.views_read)) < 0.2 * small.geometry.views
        assert np.abs(found - expected).max() < EXACT
        counting.views_read.clear()
        assert np.array_equal(reconstruct(counting, grid=GRID, parameters=hann).array, reconstruct(small, grid=GRID, parameters=hann).array)
        assert len(set(counting.views_read)) > 0.5 * small.geometry.views
        live.change(LiveSettings(filter_type="Hann"))
        live.reconstruct(everything)
        assert np.array_equal(reconstruct(counting, grid=GRID).array, expected)  # those of the old filter are gone
    assert np.array_equal(reconstruct(counting, grid=GRID).array, expected)


def test_a_whole_volume_as_context(scan: Scan) -> None:
    with LiveSlices(scan) as live:
        assert live.context() is None
        live.request_context(48)
        assert live.wait(PATIENCE)
        context = live.context()
        assert context is not None
        live.change(LiveSettings(fill_value=-1.0))
        assert live.wait(PATIENCE)
        later = live.context()
        with pytest.raises(InputError, match="voxels: expected a number within 8 to 512; found 4"):
            live.request_context(4)
    assert later is not None
    assert later.number > context.number
    assert max(context.array.shape) == 48
    assert context.complete
    assert not context.array.flags.writeable
    centres = np.stack(np.meshgrid(*(context.grid.centres(axis) for axis in range(3)), indexing="ij"), axis=-1)
    truth = attenuation(centres)
    middle = np.abs(centres[..., 2]) < 60
    inside = middle & (((centres - (5, -8, 0)) / (70, 62, 160)) ** 2).sum(axis=-1).__lt__(1.0)
    assert abs((context.array - truth)[inside].mean()) < 0.01 * MU
    assert np.sqrt(np.mean((context.array - truth)[inside] ** 2)) < 0.05 * MU


def test_several_scans_at_once(scan: Scan) -> None:
    circle = mito_geometry(12, centre=0.0, pitch=0.0, turns=1.0)
    other = Scan.from_arrays(np.zeros((circle.views, circle.detector.columns, circle.detector.rows), np.float32), circle)
    with LiveSlices(scan) as one, LiveSlices(other) as two:
        one.request("Red", axial())
        two.request("Red", axial())
        assert one.wait(PATIENCE)
        assert two.wait(PATIENCE)
        assert one.poll()[-1].image.max() > MU / 2
        assert not two.poll()[-1].image.any()


# ---- faults ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return simulate(tmp_path / "sample", phantom(), mito_geometry(16, centre=0.0, turns=2.5))


def test_a_file_that_is_cut_under_the_engine(folder: Path, begin: threading.Event) -> None:
    sinogram = folder / "sinogram.npy"
    whole = sinogram.read_bytes()
    with LiveSlices(open_scan(folder)) as live:
        sinogram.write_bytes(whole[: len(whole) // 3])
        live.request("Red", axial())
        begin.set()
        assert live.wait(PATIENCE)
        (result,) = live.poll()
        assert result.error.startswith(f"{sinogram}: expected ")
        assert "the file is truncated" in result.error
        assert not result.complete
        assert not result.image.any()
        assert live.status().error == result.error
        with pytest.raises(WorkError, match="the file is truncated"):
            live.reconstruct(axial())
        sinogram.write_bytes(whole)
        assert live.reconstruct(axial()).complete
        assert live.status().error == ""


def test_a_view_with_a_nan_is_named(scan: Scan) -> None:
    projections = np.array(scan.projections)
    projections[500, 3, 4] = np.nan
    with LiveSlices(Scan.from_arrays(projections, scan.geometry)) as live, pytest.raises(WorkError, match="view 500: expected finite"):
        live.reconstruct(axial())


def test_a_listener_that_fails(scan: Scan) -> None:
    def fail(result: SliceResult) -> None:
        raise KeyError("no such widget")

    with LiveSlices(scan, callback=fail) as live:
        live.request("Red", axial())
        assert live.wait(PATIENCE)
        assert live.poll()[-1].level == "final"
        assert live.status().error.startswith("callback: KeyError")


def test_closing_while_it_works(scan: Scan) -> None:
    gate = Gate()
    live = LiveSlices(scan, callback=gate)
    live.request("Red", axial(shape=(500, 500), spacing=0.3))
    assert gate.entered.wait(PATIENCE)
    waiting: list[bool] = []
    waiter = threading.Thread(target=lambda: waiting.append(live.wait()))
    waiter.start()
    closer = threading.Thread(target=live.close)
    closer.start()
    live.close(wait=False)  # whichever of the two is first, it is told now
    gate.opened.set()
    for thread in (closer, waiter):
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert waiting == [False]
    live.close()
    assert [result.level for result in live.poll()] == ["preview"]
    for call in (lambda: live.request("Red", axial()), lambda: live.reconstruct(axial()), lambda: live.change(LiveSettings(tilt=1.0))):
        with pytest.raises(WorkError, match="closed"):
            call()


def test_a_plane_that_is_forgotten_gives_nothing_more(scan: Scan) -> None:
    gate, seen = Gate(), Recorder()
    with LiveSlices(scan, plugins=[gated(gate)], callback=seen) as live:
        live.request("Red", axial())
        assert gate.entered.wait(PATIENCE)
        live.forget("Red")
        gate.opened.set()
        assert live.wait(PATIENCE)
        assert live.poll() == []
        assert live.planes == {}
    assert seen.results == []


def test_faults_at_the_start(scan: Scan, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cache_bytes: expected at least .* two blocks of beams; found 1000 bytes"):
        LiveSlices(scan, cache_bytes=1000)
    with pytest.raises(InputError, match="cache_folder: expected a folder that exists"):
        LiveSlices(scan, cache_folder=tmp_path / "none")
    with pytest.raises(InputError, match="backend: expected one of auto, cuda, astra, cpu; found 'tpu'"):
        LiveSlices(scan, backend="tpu")
    with pytest.raises(InputError, match="at least half a turn"):
        LiveSlices(scan, LiveSettings(last_view=20))


def test_a_cache_in_a_file_is_gone_in_the_end(scan: Scan, tmp_path: Path) -> None:
    with LiveSlices(scan, cache_folder=tmp_path) as live:
        image = live.reconstruct(axial()).image
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
    assert np.abs(image - reconstruct_slice(scan, axial()).image).max() < EXACT


def test_the_grid_of_a_region_and_a_slice_agree(scan: Scan) -> None:
    """A slice of the same engine goes on being right while a volume is reconstructed in another thread."""
    found: list[np.ndarray] = []
    region = VolumeGrid.from_bounds((-30, -30, -9), (30, 30, 9), spacing=3.0)
    with LiveSlices(scan) as live:
        worker = threading.Thread(target=lambda: found.append(reconstruct(scan, grid=region).array))
        worker.start()
        images = [live.reconstruct(axial(z)).image for z in (-6.0, 0.0, 6.0)]
        worker.join(PATIENCE)
    assert np.abs(found[0] - reconstruct(scan, grid=region).array).max() < EXACT
    for z, image in zip((-6.0, 0.0, 6.0), images, strict=True):
        assert np.abs(image - reconstruct_slice(scan, axial(z)).image).max() < EXACT
