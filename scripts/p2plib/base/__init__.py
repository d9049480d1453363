# SPDX-License-Identifier: GPL-2.0-only
"""The base: where the kernel's source comes from, and how its own P2PDMA is taken out of it, by rule."""
