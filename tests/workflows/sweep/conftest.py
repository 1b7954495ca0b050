"""A workspace whose strategy trades scores of a file."""

from __future__ import annotations

import pytest

from kronos_quant.workspace import WorkspaceFolder


@pytest.fixture
def workspace(scored_workspace: WorkspaceFolder) -> WorkspaceFolder:
    """The made market, with the strategy `own` on scores of its last 30 sessions."""
    return scored_workspace
