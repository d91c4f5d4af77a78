"""A and its adjoint: one file per backend, the choice of one, and the ODL operator over them."""
