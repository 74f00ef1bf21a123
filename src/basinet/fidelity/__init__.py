"""Fidelity of predicted energies: metrics, intervals, and the gauge that totals leave free."""
