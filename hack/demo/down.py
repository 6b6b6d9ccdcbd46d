"""Ends the clusters that `make demo` and the tests started."""

from __future__ import annotations

from providers import end

if __name__ == "__main__":
    end()
