"""What is asserted outside of test files shows its values as well."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.functional.promises.witness", "tests.functional.promises.world"
)
