/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Free and used offsets: pool.c has how.
 */
#ifndef _PCI_P2PDMA_POOL_H
#define _PCI_P2PDMA_POOL_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/types.h>

#define P2PDMA_POOL_REGIONS	8	/* at most; MAX_LOCKDEP_SUBCLASSES */

struct p2pdma_pool_region;

/**
 * struct p2pdma_pool - allocator of offsets in a resource
 * @size: length of the resource in bytes
 * @limit: no more is free in one run: @size if nothing is known; written under a
 *	lock of a region, lowered under all of them
 * @missed: @limit is no more than a guess, as not every piece was looked at;
 *	written under all locks
 * @region_mask: pages in each region but the last, which may have less, minus 1
 * @region_shift: log2 of these pages
 * @regions: number of them
 * @region: parts of the resource, in ascending order; see pool.c
 * @failures: number of allocations that failed, ever
 * @busy: number of regions that are not both closed and free of allocations
 * @idle: completed when @busy becomes 0
 */
struct p2pdma_pool {
	u64 size;
	u64 limit;
	bool missed;
	unsigned long region_mask;
	unsigned int region_shift;
	unsigned int regions;
	struct p2pdma_pool_region *region[P2PDMA_POOL_REGIONS];
	atomic64_t failures;
	atomic_t busy;
	struct completion idle;
};

/**
 * struct p2pdma_pool_stats - use counters of a pool
 * @free: bytes that are free
 * @largest: bytes in the largest free piece; where more than 256 pieces are
 *	about as large, the largest of these
 * @allocs: allocations that succeeded, ever
 * @failures: allocations that did not
 */
struct p2pdma_pool_stats {
	u64 free;
	u64 largest;
	u64 allocs;
	u64 failures;
};

int p2pdma_pool_init(struct p2pdma_pool *pool, u64 size, int node);
void p2pdma_pool_suspend(struct p2pdma_pool *pool);
void p2pdma_pool_resume(struct p2pdma_pool *pool);
void p2pdma_pool_close(struct p2pdma_pool *pool);
bool p2pdma_pool_wait(struct p2pdma_pool *pool, unsigned long timeout);
void p2pdma_pool_exit(struct p2pdma_pool *pool);
bool p2pdma_pool_alloc(struct p2pdma_pool *pool, u64 size, u64 align,
		       u64 *offset);
void p2pdma_pool_free(struct p2pdma_pool *pool, u64 offset, u64 size);
u64 p2pdma_pool_available(struct p2pdma_pool *pool);
bool p2pdma_pool_has_free(const struct p2pdma_pool *pool);
void p2pdma_pool_stats(struct p2pdma_pool *pool,
		       struct p2pdma_pool_stats *stats);

#endif /* _PCI_P2PDMA_POOL_H */
