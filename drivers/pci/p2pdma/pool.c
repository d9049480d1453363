// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pieces of the lent memory are free: offsets, in units of pages.
 *
 * Allocation and free take constant time however full or fragmented the pool
 * is, work in any context, and touch neither the memory nor its struct pages.
 *
 * A free *piece* is a run of free pages as long as it can be: two that meet
 * become one.  Each piece is on the list of its *class*, of which there is one
 * for each size up to 32 pages, then 16 for each power of two: more would find
 * a closer fit, but a piece that grows by what comes back would change its
 * class, and its list, more often.  A bitmap of classes that are not empty, and
 * a bitmap over its words, find the smallest class in which any piece is large
 * enough (this is what the literature calls a two-level segregated fit).
 *
 * Each page has a *tag* in RAM.  The tags of the first and the last page of a
 * free piece hold its size, all others 0: by the two tags beside the pages
 * that come back one sees what they have to be joined with, whether they are
 * all of what was allocated or one page out of the middle.  And each page has
 * a link, for the list that it is on if a free piece begins with it.  That
 * makes 12 bytes per page, or 3 MiB for each GiB of lent memory.
 *
 * So that CPUs do not wait for each other, a large pool is cut into up to eight
 * *regions*, each with tags, classes and a lock of its own; pieces do not reach
 * over their ends.  A CPU allocates from its home region.  All start at home in
 * the first, which keeps what is allocated together, and move on to the next
 * when they find it locked.  Only when the home region has nothing are the
 * others tried, then all of them locked to find a run over their ends: what is
 * there is found, and the effort is bounded by the number of regions.
 *
 * Lock order: the regions' locks in ascending order; they are innermost.
 */
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "p2pdma.h"
#include "region.h"

/* Smaller regions are not worth it: nobody could get a large piece quickly. */
#define MIN_REGION_SHIFT	12

/* Where this CPU begins to look; meant for all pools, a mere hint for each */
static DEFINE_PER_CPU(unsigned int, home);

/* ---- all regions ---- */

/* Region @i: which page of the pool it begins with */
static u32 first_of(struct p2pdma_pool *pool, unsigned int i)
{
	return i << pool->region_shift;
}

static unsigned long lock_all(struct p2pdma_pool *pool)
{
	unsigned long flags;
	unsigned int i;

	local_irq_save(flags);
	for (i = 0; i < pool->regions; i++) {
		raw_spin_lock_nested(&pool->region[i]->lock, i);
		__release(&pool->region[i]->lock);	/* sparse cannot count */
	}
	return flags;
}

static void unlock_all(struct p2pdma_pool *pool, unsigned long flags)
{
	unsigned int i;

	for (i = 0; i < pool->regions; i++) {
		__acquire(&pool->region[i]->lock);
		raw_spin_unlock(&pool->region[i]->lock);
	}
	local_irq_restore(flags);
}

/*
 * A run of @n free pages over the ends of regions, all of which are locked, or
 * NONE.
 */
static u32 find_run(struct p2pdma_pool *pool, u32 n, u32 align)
{
	u32 first, lead, start = 0, at;
	struct p2pdma_pool_region *r;
	unsigned int i;

	for (i = 0; i < pool->regions; i++) {
		r = pool->region[i];
		first = first_of(pool, i);
		if (!r->limit)
			return NONE;
		lead = r->tags[0];
		at = ALIGN(start, align);
		if ((u64)at + n <= first + lead)
			return at;
		if (lead != r->pages)
			start = first + r->pages - r->tags[r->pages - 1];
	}
	return NONE;
}

/* Take a run that find_run() has found. */
static void take_run(struct p2pdma_pool *pool, u32 at, u32 n)
{
	unsigned int i = at >> pool->region_shift;
	struct p2pdma_pool_region *r = pool->region[i];
	u32 here = at - first_of(pool, i), part, piece;

	r->allocs++;
	/* The first part is in the first piece or the last; all others begin. */
	piece = here < r->tags[0] ? 0 :
					 r->pages - r->tags[r->pages - 1];
	for (;;) {
		part = min(n, r->pages - here);
		carve(r, piece, r->tags[piece], here, part);
		n -= part;
		if (!n)
			return;
		r = pool->region[++i];
		here = 0;
		piece = 0;
	}
}

/* Not at home: in another region, or over the ends of some. */
static noinline u32 take_elsewhere(struct p2pdma_pool *pool, unsigned int not,
				   u32 n, u32 align)
{
	unsigned long flags;
	unsigned int i;
	u32 at;

	if (pool->regions == 1)
		return NONE;
	for (i = 0; i < pool->regions; i++) {
		struct p2pdma_pool_region *r = pool->region[i];

		if (i == not)
			continue;
		raw_spin_lock_irqsave(&r->lock, flags);
		at = take(r, n, first_of(pool, i), align);
		raw_spin_unlock_irqrestore(&r->lock, flags);
		if (at != NONE)
			return first_of(pool, i) + at;
	}

	/* Now nothing moves: what is free somewhere is seen. */
	flags = lock_all(pool);
	for (i = 0; i < pool->regions; i++) {
		at = take(pool->region[i], n, first_of(pool, i), align);
		if (at != NONE) {
			at += first_of(pool, i);
			goto unlock;
		}
	}
	at = find_run(pool, n, align);
	if (at != NONE)
		take_run(pool, at, n);
unlock:
	unlock_all(pool, flags);
	return at;
}

/* Somebody is at home already: live in the next region from now on. */
static noinline unsigned int move_on(struct p2pdma_pool *pool, unsigned int i)
{
	if (pool->regions > 1) {
		i = i + 1 < pool->regions ? i + 1 : 0;
		raw_cpu_write(home, i);
	}
	return i;
}

/**
 * p2pdma_pool_alloc - take a piece of the range
 * @pool: pool
 * @size: length in bytes, not 0; rounded up to whole pages
 * @align: power of two that the offset is to be a multiple of; 1 for a page
 * @offset: where the piece begins, on success
 *
 * A request of more than 32 pages, or for more than a page's alignment, that
 * only a few pieces satisfy may miss them if more than 256 of about the same
 * size do not: that is the price of constant time.
 *
 * Context: any.
 * Return: true, or false if there is no free piece of that size.
 */
bool p2pdma_pool_alloc(struct p2pdma_pool *pool, u64 size, u64 align,
		       u64 *offset)
{
	unsigned int i = raw_cpu_read(home);
	struct p2pdma_pool_region *r;
	u32 n, at, pages = 1;
	unsigned long flags;

	if (unlikely(align > PAGE_SIZE)) {
		if (align > pool->size)
			goto none;
		pages = align >> PAGE_SHIFT;
	}
	if (size > pool->size)
		goto none;
	n = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;

	if (unlikely(i >= pool->regions))
		i %= pool->regions;
	r = pool->region[i];
	local_irq_save(flags);
	if (unlikely(!raw_spin_trylock(&r->lock))) {
		i = move_on(pool, i);
		r = pool->region[i];
		raw_spin_lock(&r->lock);
	}
	at = likely(pages == 1) ? take_any(r, n) :
				  take(r, n, first_of(pool, i), pages);
	raw_spin_unlock(&r->lock);
	local_irq_restore(flags);

	if (likely(at != NONE))
		at += first_of(pool, i);
	else
		at = take_elsewhere(pool, i, n, pages);
	if (unlikely(at == NONE))
		goto none;
	*offset = (u64)at << PAGE_SHIFT;
	return true;
none:
	atomic64_inc(&pool->failures);
	return false;
}

/* What comes back is from several regions. */
static noinline void give_parts(struct p2pdma_pool *pool, u32 at, u32 n)
{
	unsigned int i = at >> pool->region_shift;
	unsigned long flags;
	u32 part;

	for (at -= first_of(pool, i); n; at = 0, n -= part) {
		struct p2pdma_pool_region *r = pool->region[i++];

		part = min(n, r->pages - at);
		raw_spin_lock_irqsave(&r->lock, flags);
		give(r, at, part);
		raw_spin_unlock_irqrestore(&r->lock, flags);
	}
}

/**
 * p2pdma_pool_free - give a piece back
 * @pool: pool; may be gone when this returns, if it is closed
 * @offset: where it begins
 * @size: its length in bytes; a piece may come back in parts, of whole pages
 *
 * Context: any.
 */
void p2pdma_pool_free(struct p2pdma_pool *pool, u64 offset, u64 size)
{
	unsigned long at = offset >> PAGE_SHIFT;
	unsigned long n = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
	struct p2pdma_pool_region *r = pool->region[at >> pool->region_shift];
	unsigned long here = at & pool->region_mask;
	unsigned long flags;

	if (unlikely(here + n > r->pages)) {
		give_parts(pool, at, n);
		return;
	}
	local_irq_save(flags);
	raw_spin_lock(&r->lock);
	give(r, here, n);
	raw_spin_unlock(&r->lock);
	local_irq_restore(flags);
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
	unsigned long flags;
	unsigned int i;
	u64 pages = 0;

	for (i = 0; i < pool->regions; i++) {
		struct p2pdma_pool_region *r = pool->region[i];

		raw_spin_lock_irqsave(&r->lock, flags);
		pages += r->pages - (r->used - !!r->limit);
		raw_spin_unlock_irqrestore(&r->lock, flags);
	}
	return pages << PAGE_SHIFT;
}

/* The largest piece in a region */
static u32 largest_piece(struct p2pdma_pool_region *r)
{
	u32 piece, tries = MAX_TRIES, largest = 0;
	unsigned int row;

	if (!r->rows)
		return 0;
	row = __fls(r->rows);
	piece = r->head[row * BITS_PER_LONG + __fls(r->classes[row])];
	for (; piece != NONE && tries; piece = r->links[piece].next, tries--)
		largest = max(largest, r->tags[piece]);
	return largest;
}

/**
 * p2pdma_pool_stats - what has become of the pool
 * @pool: pool
 * @stats: filled in
 *
 * Context: any.
 */
void p2pdma_pool_stats(struct p2pdma_pool *pool, struct p2pdma_pool_stats *stats)
{
	unsigned long flags = lock_all(pool);
	u32 largest = 0, run = 0;
	unsigned int i;

	*stats = (struct p2pdma_pool_stats) {
		.failures = atomic64_read(&pool->failures),
	};
	for (i = 0; i < pool->regions; i++) {
		struct p2pdma_pool_region *r = pool->region[i];
		u32 lead = r->tags[0];

		stats->free += r->pages - (r->used - !!r->limit);
		stats->allocs += r->allocs;
		largest = max3(largest, largest_piece(r), run + lead);
		run = lead == r->pages ? run + lead :
					 r->tags[r->pages - 1];
	}
	unlock_all(pool, flags);
	stats->free <<= PAGE_SHIFT;
	stats->largest = (u64)largest << PAGE_SHIFT;
}

/* ---- life ---- */

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
	r->used = 1;
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
 * p2pdma_pool_init - make all of a range free
 * @pool: pool
 * @size: length of the range in bytes, a multiple of PAGE_SIZE
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
		r->limit = 0;
		if (!--r->used)
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
