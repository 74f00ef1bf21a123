"""Campaigns of CP2K calculations: from frames and a config to labelled frames, resumable at any moment."""

from __future__ import annotations
