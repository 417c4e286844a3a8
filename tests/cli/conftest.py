from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one tenant and two nodes, and a template of the system that is good."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("IVRNODE_CONFIG", raising=False)
    tenant = tmp_path / "tenants" / "a.example"
    tenant.mkdir(parents=True)
    (tenant / "tenant.toml").write_text("[nodes.100]\n[nodes.101]\n")
    (tmp_path / "tenants" / "ivrnode.py").write_text("x = 'system'\n")
    return tmp_path
