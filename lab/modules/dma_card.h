/* SPDX-License-Identifier: GPL-2.0-only */
/* A PCI function that software RDMA devices do their DMA by.  See dma_card.c. */
#ifndef LAB_DMA_CARD_H
#define LAB_DMA_CARD_H

#include <linux/types.h>

struct device;
struct ib_device;

/*
 * What an access to memory is part of, seen from the end whose card it is.
 * The requester is the end that posts RDMA reads and writes: an NVMe target.
 */
enum dma_card_use {
	DMA_CARD_SEND,		/* of a SEND, from memory */
	DMA_CARD_RECV,		/* of a SEND, into memory */
	DMA_CARD_WRITE,		/* the requester's RDMA WRITE, from memory */
	DMA_CARD_READ,		/* the requester's RDMA READ, into memory */
	DMA_CARD_REMOTE_WRITE,	/* the responder's end of a WRITE, into memory */
	DMA_CARD_REMOTE_READ,	/* the responder's end of a READ, from memory */
	DMA_CARD_USES
};

static inline bool dma_card_stores(enum dma_card_use use)
{
	return use == DMA_CARD_RECV || use == DMA_CARD_READ ||
	       use == DMA_CARD_REMOTE_WRITE;
}

struct device *dma_card_find(void);
unsigned int dma_card_mr_pages(unsigned int most);
int dma_card_copy(struct ib_device *ib, u64 addr, void *buffer, size_t length,
		  enum dma_card_use use);
void *dma_card_ptr(struct ib_device *ib, u64 addr, size_t length,
		   enum dma_card_use use);

#endif
