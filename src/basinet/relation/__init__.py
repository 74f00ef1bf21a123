"""The relation E_rest = a E_es + b, and the local DFT energies that follow from it."""
