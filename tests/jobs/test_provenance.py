"""Provenance says what it knows, and null for the rest."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from basinet.jobs.provenance import _git_revision, provenance


def test_provenance_fits_into_json_and_is_of_now():
    record = json.loads(json.dumps(provenance()))
    assert abs(datetime.fromisoformat(record["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert record["python"] == ".".join(map(str, sys.version_info[:3]))
    assert record["cpu_count"] >= 1


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_revision_is_that_of_the_checkout_and_notices_changes(tmp_path):
    package = tmp_path / "src" / "basinet"
    package.mkdir(parents=True)
    (package / "a.py").write_text("")

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    assert _git_revision(package) == (None, False) or _git_revision(package) == (None, None)
    git("add", ".")
    git("commit", "-qm", "first")
    assert _git_revision(package) == (git("rev-parse", "HEAD"), False)
    (package / "a.py").write_text("changed = True")
    assert _git_revision(package) == (git("rev-parse", "HEAD"), True)


def test_a_package_installed_inside_another_repository_has_no_revision(tmp_path):
    (tmp_path / ".git").mkdir()
    assert _git_revision(tmp_path / ".venv" / "site-packages" / "basinet") == (None, None)


def test_without_git_the_revision_is_null(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert _git_revision(Path(tmp_path) / "src" / "basinet") == (None, None)
