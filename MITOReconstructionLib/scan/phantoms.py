"""Objects to simulate: a softwood log, and the test objects of the reconstruction literature."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.scan.log_phantom import log
from MITOReconstructionLib.scan.shapes import Cylinder, Ellipsoid, Phantom, Shape, Vector, rotation_about

__all__ = ["PHANTOMS", "cylinder", "defrise", "log", "make_phantom", "shepp_logan"]

CENTRE: Vector = (0.0, 0.0, 277.0)
"""The middle of what a default scan sees, in mm."""

# Shepp-Logan head in three dimensions, in units of its radius: contrast of Kak and Slaney, contrast that the eye sees,
# half extents a, b, c, centre x, y, z, turn about z in degrees. Kak and Slaney, 'Principles of Computerized Tomographic
# Imaging' (1988), table 3.1 and figure 3.3, completed to three dimensions with the ellipsoids of Schabel,
# 'phantom3d' (MATLAB Central 9416); the second contrast is Toft, 'The Radon Transform' (1996), table B.1.
SHEPP_LOGAN = (
    (2.00, 1.0, 0.6900, 0.920, 0.810, 0.00, 0.0000, 0.00, 0.0),
    (-0.98, -0.8, 0.6624, 0.874, 0.780, 0.00, -0.0184, 0.00, 0.0),
    (-0.02, -0.2, 0.1100, 0.310, 0.220, 0.22, 0.0000, 0.00, -18.0),
    (-0.02, -0.2, 0.1600, 0.410, 0.280, -0.22, 0.0000, 0.00, 18.0),
    (0.01, 0.1, 0.2100, 0.250, 0.410, 0.00, 0.3500, -0.15, 0.0),
    (0.01, 0.1, 0.0460, 0.046, 0.050, 0.00, 0.1000, 0.25, 0.0),
    (0.01, 0.1, 0.0460, 0.046, 0.050, 0.00, -0.1000, 0.25, 0.0),
    (0.01, 0.1, 0.0460, 0.023, 0.050, -0.08, -0.6050, 0.00, 0.0),
    (0.01, 0.1, 0.0230, 0.023, 0.020, 0.00, -0.6060, 0.00, 0.0),
    (0.01, 0.1, 0.0230, 0.046, 0.020, 0.06, -0.6050, 0.00, 0.0),
)


def shepp_logan(radius: float = 100.0, *, centre: Vector = CENTRE, attenuation: float = 0.02, contrast: str = "modified") -> Phantom:
    """The Shepp-Logan head in three dimensions: ten ellipsoids.

    Parameters
    ----------
    radius : float, optional
        What the tables' unit length becomes, in mm; the head is 1.84 radii long in y and 1.62 in z.
    centre : 3 float, optional
        mm.
    attenuation : float, optional
        What the tables' unit density becomes, in 1/mm.
    contrast : str, optional
        'modified' (Toft, visible to the eye: skull 1, brain 0.2) or 'kak-slaney' (skull 2, brain 1.02, details 1%).

    Raises
    ------
    InputError
        When the contrast is another, or a length is not positive.
    """
    columns = {"kak-slaney": 0, "modified": 1}
    if contrast not in columns:
        raise InputError("shepp-logan contrast", expected=" or ".join(columns), found=repr(contrast), remedy="Choose one of them.")
    shapes = []
    for row in SHEPP_LOGAN:
        a, b, c, x, y, z, turn = row[2:]
        place = (centre[0] + radius * x, centre[1] + radius * y, centre[2] + radius * z)
        value = attenuation * row[columns[contrast]]
        shapes.append(Ellipsoid(place, (a * radius, b * radius, c * radius), value, rotation_about((0, 0, 1), math.radians(turn))))
    return Phantom("shepp-logan", tuple(shapes), reference=attenuation)


def defrise(
    radius: float = 80.0,
    *,
    centre: Vector = CENTRE,
    thickness: float = 6.0,
    spacing: float = 15.0,
    count: int = 21,
    attenuation: float = 0.02,
) -> Phantom:
    """The Defrise phantom: flat disks stacked along z, hard on reconstructions that mistreat the cone angle.

    Parameters
    ----------
    radius, thickness, spacing : float, optional
        Radius and height of a disk, and distance between the middles of neighbours, in mm.
    centre : 3 float, optional
        Middle of the stack in mm.
    count : int, optional
        Number of disks.
    attenuation : float, optional
        1/mm.

    Raises
    ------
    InputError
        When a length is not positive, there is no disk, or the disks overlap.
    """
    if not (isinstance(count, int) and count >= 1):
        raise InputError("defrise count", expected="a whole number of at least 1", found=f"{count}", remedy="Ask for at least one disk.")
    if not 0 < thickness <= spacing:
        raise InputError(
            "defrise thickness",
            expected=f"more than 0 and at most the spacing of {spacing:g} mm",
            found=f"{thickness:g}",
            remedy="Make the disks thinner or space them wider.",
        )
    shapes: list[Shape] = []
    for i in range(count):
        z = centre[2] + (i - (count - 1) / 2) * spacing
        ends = (centre[0], centre[1], z - thickness / 2), (centre[0], centre[1], z + thickness / 2)
        shapes.append(Cylinder(*ends, radius, attenuation))
    return Phantom("defrise", tuple(shapes), reference=attenuation)


def cylinder(radius: float = 90.0, length: float = 680.0, *, centre: Vector = CENTRE, attenuation: float = 0.02) -> Phantom:
    """A uniform cylinder along z.

    Parameters
    ----------
    radius, length : float, optional
        mm.
    centre : 3 float, optional
        mm.
    attenuation : float, optional
        1/mm.

    Raises
    ------
    InputError
        When a length is not positive.
    """
    x, y, z = centre
    return Phantom("cylinder", (Cylinder((x, y, z - length / 2), (x, y, z + length / 2), radius, attenuation),), reference=attenuation)


PHANTOMS: Mapping[str, Callable[..., Phantom]] = MappingProxyType(
    {"log": log, "shepp-logan": shepp_logan, "defrise": defrise, "cylinder": cylinder}
)
"""The functions that make phantoms, by the names people use."""


def make_phantom(name: str, **parameters: Any) -> Phantom:
    """Make a phantom by its name in :data:`PHANTOMS`.

    Parameters
    ----------
    name : str
        "log", "shepp-logan", "defrise" or "cylinder".
    **parameters
        Of the function of that name.

    Raises
    ------
    InputError
        When there is no phantom of that name.
    """
    if name not in PHANTOMS:
        raise InputError("phantom", expected=f"one of {', '.join(PHANTOMS)}", found=repr(name), remedy="Choose one of them.")
    return PHANTOMS[name](**parameters)
