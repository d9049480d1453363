# SPDX-License-Identifier: GPL-2.0-only
"""The commands: scripts/NAME runs main() of NAME.py here. What more than one of them needs is elsewhere."""
