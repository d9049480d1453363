/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of peer-to-peer traffic on a fabric made of memory, worked out
 * from its config space, hop by hop.
 */
#ifndef _PCI_P2PDMA_ORACLE_H
#define _PCI_P2PDMA_ORACLE_H

#include "fabric.h"

/**
 * struct oracle_route - what reads and writes of a client come to
 * @map: enum pci_p2pdma_map_type for each enum p2pdma_access
 * @tlp: the same for each kind of packet, enum pci_p2pdma_tlp
 * @distance: links on the way, by the lowest common bridge or the root complex
 * @astray: a request or completion reached somebody else: the fabric, or the
 *	oracle, is wrong
 */
struct oracle_route {
	u8 map[P2PDMA_ACCESSES];
	u8 tlp[3];
	unsigned int distance;
	bool astray;
};

u64 oracle_bar_address(const struct fabric_fn *fn);
struct oracle_route oracle(struct fabric_fn *client,
			   struct fabric_fn *provider);

#endif /* _PCI_P2PDMA_ORACLE_H */
