# SPDX-License-Identifier: GPL-2.0-only
"""The lab: boots a kernel in QEMU on a named topology, runs one program, judges the run from outside."""
