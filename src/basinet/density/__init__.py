"""An electron density on a grid: its potential, its Bader basins, and the energies of its atoms."""
