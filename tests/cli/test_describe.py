from __future__ import annotations

import numpy as np
import pytest
from tests.cli.refusal import assert_refused

import basinet


def test_the_file_holds_what_the_help_says(run, tmp_path, argon_file, argon_frames):
    result = run("describe", argon_file, "--out", "d.npz", "--rcut", 4.5, "--twojmax", 2, "--weights", "Ar=1.2")
    assert result.exit_code == 0, result.stderr
    descriptor = basinet.Bispectrum(4.5, 2, {"Ar": 1.2})
    with np.load(tmp_path / "d.npz") as file:
        assert file["descriptors"].shape == (16 * 32 + 1, 5)
        assert np.array_equal(file["descriptors"][32:64], descriptor(argon_frames[1]))
        assert np.array_equal(np.bincount(file["frame"]), [32] * 16 + [1])
        assert set(file["numbers"]) == {18}
        assert file["components"].tolist() == [list(label) for label in descriptor.component_labels]
        assert (float(file["rcut"]), int(file["twojmax"])) == (4.5, 2)
        assert (file["elements"].tolist(), file["weights"].tolist()) == (["Ar"], [1.2])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--weights", "Ar"], ["--weights", "Ar=1,Kr=1.3"]),
        (["--weights", "Ar=1,Ar=2"], ["--weights"]),
        (["--weights", "Kr=1"], ["Ar"]),
        (["--weights", "Ar=nan"], ["Ar", "nan"]),
        (["--weights", "Qq=1"], ["Qq"]),
        (["--rcut", "-1"], ["rcut"]),
        (["--rcut", "nan"], ["rcut"]),
        (["--twojmax", "99"], ["twojmax"]),
    ],
)
def test_impossible_settings_are_refused(run, tmp_path, argon_file, options, words):
    assert_refused(run("describe", argon_file, "--out", "d.npz", *options), *words)
    assert not (tmp_path / "d.npz").exists()


def test_a_place_that_cannot_be_written_is_refused(run, argon_file):
    assert_refused(run("describe", argon_file, "--out", "/proc/d.npz", "--twojmax", 2), "/proc/d.npz")
