"""Fidelity of predicted energies: metrics, intervals, and the gauge that totals leave free."""

from __future__ import annotations

from basinet.fidelity.gauge import Gauge, fit_gauge, pair_features, stack_pair_features
from basinet.fidelity.metrics import (
    Metrics,
    local_metrics,
    member_local_metrics,
    member_local_metrics_by_species,
    member_total_metrics,
    pearson_interval,
    pearson_sums,
    total_metrics,
)
from basinet.fidelity.rigidity import local_prediction_rigidity
from basinet.fidelity.seeds import seed_interval, width_slopes, width_trend
from basinet.frames.bootstrap import (
    Interval,
    autocorrelation_time,
    block_bootstrap,
    choose_block_length,
    frame_bootstrap,
)

__all__ = [
    "Gauge",
    "Interval",
    "Metrics",
    "autocorrelation_time",
    "block_bootstrap",
    "choose_block_length",
    "fit_gauge",
    "frame_bootstrap",
    "local_metrics",
    "local_prediction_rigidity",
    "member_local_metrics",
    "member_local_metrics_by_species",
    "member_total_metrics",
    "pair_features",
    "pearson_interval",
    "pearson_sums",
    "seed_interval",
    "stack_pair_features",
    "total_metrics",
    "width_slopes",
    "width_trend",
]
