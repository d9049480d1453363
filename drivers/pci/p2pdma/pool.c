// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pieces of the lent memory are free: offsets, in units of pages.
 *
 * The bookkeeping is a bitmap in RAM.  Allocation and free are lock-free and
 * work in any context.
 */
#include <linux/genalloc.h>
#include <linux/mm.h>

#include "p2pdma.h"

/**
 * p2pdma_pool_init - make all of a range free
 * @pool: pool
 * @size: length of the range in bytes, a multiple of PAGE_SIZE
 * @node: NUMA node for the bookkeeping, or NUMA_NO_NODE
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int p2pdma_pool_init(struct p2pdma_pool *pool, u64 size, int node)
{
	pool->gen = gen_pool_create(PAGE_SHIFT, node);
	if (!pool->gen)
		return -ENOMEM;
	if (gen_pool_add(pool->gen, PAGE_SIZE, size, node)) {
		gen_pool_destroy(pool->gen);
		return -ENOMEM;
	}
	return 0;
}

/**
 * p2pdma_pool_exit - free the bookkeeping
 * @pool: pool, with nothing allocated from it
 */
void p2pdma_pool_exit(struct p2pdma_pool *pool)
{
	gen_pool_destroy(pool->gen);
}

/**
 * p2pdma_pool_alloc - take a piece of the range
 * @pool: pool
 * @size: length in bytes, not 0; rounded up to whole pages
 * @offset: where the piece begins, on success
 *
 * Context: any.
 * Return: true, or false if there is no free piece of that size.
 */
bool p2pdma_pool_alloc(struct p2pdma_pool *pool, u64 size, u64 *offset)
{
	unsigned long addr = gen_pool_alloc(pool->gen, size);

	*offset = addr - PAGE_SIZE;
	return addr;
}

/**
 * p2pdma_pool_free - give a piece back
 * @pool: pool
 * @offset: where it begins
 * @size: its length in bytes; a piece may come back in parts
 *
 * Context: any.
 */
void p2pdma_pool_free(struct p2pdma_pool *pool, u64 offset, u64 size)
{
	gen_pool_free(pool->gen, offset + PAGE_SIZE, size);
}

/**
 * p2pdma_pool_available - free bytes, in pieces of whatever size
 * @pool: pool
 *
 * Context: any.
 * Return: number of bytes.
 */
u64 p2pdma_pool_available(struct p2pdma_pool *pool)
{
	return gen_pool_avail(pool->gen);
}
