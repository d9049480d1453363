/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Resources without struct pages.
 */
#ifndef _PCI_P2PDMA_RANGE_H
#define _PCI_P2PDMA_RANGE_H

#include <linux/types.h>

struct p2pdma_memory;
struct pci_dev;

int p2pdma_range_check(struct pci_dev *pdev, phys_addr_t start, u64 size);
void p2pdma_range_init(struct p2pdma_memory *mem);
void p2pdma_range_close(struct p2pdma_memory *mem);
bool p2pdma_range_wait(struct p2pdma_memory *mem, unsigned long timeout);
void p2pdma_range_exit(struct p2pdma_memory *mem);

#endif /* _PCI_P2PDMA_RANGE_H */
