// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pool as a whole: made, suspended, closed, freed.  pool.c has what it is.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "pool.h"
#include "region.h"

/* Smaller regions are not worth it: nobody could get a large piece quickly. */
#define MIN_REGION_SHIFT	12

static void region_destroy(struct p2pdma_pool_region *r)
{
	vfree(r->links);
	vfree(r->tag_base);
	kfree(r);
}

static struct p2pdma_pool_region *region_create(struct p2pdma_pool *pool,
						u32 pages, int node)
{
	unsigned int classes = class_of(pages) + 1;
	struct p2pdma_pool_region *r;

	r = kzalloc_node(struct_size(r, head, classes), GFP_KERNEL, node);
	if (!r)
		return NULL;
	raw_spin_lock_init(&r->lock);
	r->pool = pool;
	r->pages = pages;
	r->limit = pages;
	r->open = 1;
	memset32(r->head, NONE, classes);
	r->tag_base = vzalloc_node(array_size(pages + 2, sizeof(u32)), node);
	r->links = vmalloc_node(array_size(pages, sizeof(*r->links)), node);
	if (!r->tag_base || !r->links) {
		region_destroy(r);
		return NULL;
	}
	r->tags = r->tag_base + 1;
	piece_add(r, 0, pages);
	return r;
}

/**
 * p2pdma_pool_init - make all of a resource free
 * @pool: pool
 * @size: length of the resource in bytes, a multiple of PAGE_SIZE
 * @node: NUMA node for the bookkeeping, or NUMA_NO_NODE
 *
 * Context: may sleep.
 * Return: 0 or
 *	-ENOMEM if there is no memory for the tags, 3 MiB for each GiB,
 *	-ERANGE if there are more than 2^30 pages.
 */
int p2pdma_pool_init(struct p2pdma_pool *pool, u64 size, int node)
{
	u64 pages = size >> PAGE_SHIFT, first;
	struct p2pdma_pool_region *r;
	unsigned int parts;

	if (pages > MAX_PAGES)
		return -ERANGE;
	parts = min(num_possible_cpus(), P2PDMA_POOL_REGIONS);
	memset(pool, 0, sizeof(*pool));
	pool->size = size;
	pool->limit = size;
	pool->region_shift = max(order_base_2(DIV_ROUND_UP_ULL(pages, parts)),
				 MIN_REGION_SHIFT);
	pool->region_mask = BIT(pool->region_shift) - 1;
	init_completion(&pool->idle);

	for (first = 0; first < pages; first += r->pages) {
		r = region_create(pool, min(pages - first,
					    BIT(pool->region_shift)), node);
		if (!r) {
			p2pdma_pool_exit(pool);
			return -ENOMEM;
		}
		pool->region[pool->regions++] = r;
	}
	atomic_set(&pool->busy, pool->regions);
	return 0;
}

static void regions_set_limit(struct p2pdma_pool *pool, bool nothing)
{
	unsigned long flags;
	unsigned int i;

	for (i = 0; i < pool->regions; i++) {
		struct p2pdma_pool_region *r = pool->region[i];

		raw_spin_lock_irqsave(&r->lock, flags);
		r->limit = nothing || !r->open ? 0 : r->pages;
		raw_spin_unlock_irqrestore(&r->lock, flags);
	}
}

/**
 * p2pdma_pool_suspend - allocate nothing for the time being
 * @pool: pool
 *
 * What is allocated may come back as always.
 *
 * Context: any.
 */
void p2pdma_pool_suspend(struct p2pdma_pool *pool)
{
	regions_set_limit(pool, true);
}

/**
 * p2pdma_pool_resume - allocate again
 * @pool: pool, suspended or not; if it is closed, it stays so
 *
 * Context: any.
 */
void p2pdma_pool_resume(struct p2pdma_pool *pool)
{
	regions_set_limit(pool, false);
	/* What failed meanwhile says nothing of what is free. */
	limit_reset(pool);
}

/**
 * p2pdma_pool_close - allocate no more
 * @pool: pool
 *
 * Context: any.
 */
void p2pdma_pool_close(struct p2pdma_pool *pool)
{
	unsigned long flags;
	unsigned int i;

	for (i = 0; i < pool->regions; i++) {
		struct p2pdma_pool_region *r = pool->region[i];

		raw_spin_lock_irqsave(&r->lock, flags);
		if (r->used < 0)
			r->used += WATCHED;
		r->limit = 0;
		r->open = 0;
		if (--r->used < 0)
			region_idle(r);
		raw_spin_unlock_irqrestore(&r->lock, flags);
	}
}

/**
 * p2pdma_pool_wait - wait until all has come back
 * @pool: closed pool
 * @timeout: jiffies to wait at most
 *
 * Context: may sleep.
 * Return: false if something is still allocated.  After true nobody is in
 * p2pdma_pool_free() any more, nor will be.
 */
bool p2pdma_pool_wait(struct p2pdma_pool *pool, unsigned long timeout)
{
	unsigned int i;

	if (!wait_for_completion_timeout(&pool->idle, timeout))
		return false;
	/* Whoever gave the last piece back has a lock for a moment yet. */
	for (i = 0; i < pool->regions; i++) {
		raw_spin_lock_irq(&pool->region[i]->lock);
		raw_spin_unlock_irq(&pool->region[i]->lock);
	}
	return true;
}

/**
 * p2pdma_pool_exit - free the bookkeeping
 * @pool: pool, with nothing allocated from it
 *
 * Context: may sleep.
 */
void p2pdma_pool_exit(struct p2pdma_pool *pool)
{
	while (pool->regions)
		region_destroy(pool->region[--pool->regions]);
}
