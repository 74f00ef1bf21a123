"""The input of each unit, and the key by which its result is known."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ase import Atoms

from basinet.campaign.units import Unit
from basinet.config.campaign_settings import CampaignConfig
from basinet.dft.cp2k_writer import Request, cp2k_input
from basinet.dft.template import Template

RESCUE_STEPS = 4
"""Times as many SCF steps for a calculation that did not converge."""


def request_for(unit: Unit, config: CampaignConfig, *, wavefunction: bool = False) -> Request:
    """What is asked of CP2K beside the physics; `wavefunction`: the one before left its wave functions."""
    return Request(
        guess="RESTART" if wavefunction else "ATOMIC",
        density=config.partition,
        keep_wavefunction=keeps_wavefunction(config),
        steps=unit.steps,
        continued=bool(unit.steps and unit.previous),
        seed=config.aimd.seed + unit.frame if unit.steps else 0,
    )


def keeps_wavefunction(config: CampaignConfig) -> bool:
    """Whether wave functions are handed on."""
    return config.wavefunction_chain > 1


def input_text(
    config: CampaignConfig, template: Template | None, atoms: Atoms, request: Request, *, rescue: bool = False
) -> str:
    """The input of a calculation; `rescue`: more patient than asked for, and as well converged."""
    if template is not None:
        return template.render(atoms, request, config.aimd)
    settings = config.cp2k
    if rescue:
        settings = settings.model_copy(update={"max_scf": RESCUE_STEPS * settings.max_scf, "minimiser": "CG"})
    return cp2k_input(settings, atoms, request, config.aimd)


def unit_key(unit: Unit, config: CampaignConfig, template: Template | None, atoms: Atoms) -> str:
    """Checksum of all that settles a unit's result: its input, and its place in a trajectory or chain."""
    request = replace(request_for(unit, config), guess="RESTART" if unit.previous and not unit.steps else "ATOMIC")
    text = input_text(config, template, atoms, request)
    return checksum(f"{text}\n{unit.start} {config.partition} {config.error_bars}")


def checksum(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
