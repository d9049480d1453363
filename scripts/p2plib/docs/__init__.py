# SPDX-License-Identifier: GPL-2.0-only
"""The documentation as pages: which there are, and pictures of the topologies."""
