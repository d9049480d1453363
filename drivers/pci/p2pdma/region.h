/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One region of the pool, and its free pieces by class.  For pool.c, where all
 * of it is explained, and for pool-state.c.
 *
 * Unless said otherwise the caller holds the region's lock.
 */
#ifndef _PCI_P2PDMA_REGION_H
#define _PCI_P2PDMA_REGION_H

#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/lockdep.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "pool.h"

#define NONE		U32_MAX		/* no page, no class */

#define CLASS_BITS	4		/* log2 of the classes in a power of two */
#define MAX_PAGES	BIT(30)
#define MAX_CLASSES	((31 - CLASS_BITS) << CLASS_BITS)
#define MAX_ROWS	(MAX_CLASSES / BITS_PER_LONG + 1)

/* Pieces that a request may look at if one that is larger does not exist */
#define MAX_TRIES	256

/* Makes what is used negative whatever it is: see pool.c on failures */
#define WATCHED		((s32)MAX_PAGES + 1)

/* Neighbours in the list of a class, of a piece by its first page */
struct link {
	u32 next;
	u32 prev;
};

/**
 * struct p2pdma_pool_region - a part of the pool, with its own lock
 * @lock: protects everything below but @pages, which does not change
 * @pool: what it is a part of
 * @pages: number of pages in it
 * @limit: largest allocation: @pages, or 0 when the pool is suspended or closed
 * @open: 1 until the pool is closed
 * @used: number of pages that are not free; less 1 when the pool is closed, less
 *	WATCHED while what comes back has to be looked at
 * @allocs: number of allocations that began here, ever
 * @rows: bitmap of the words of @classes that are not 0
 * @classes: bitmap of the classes that have a piece
 * @tag_base: what was allocated for @tags
 * @tags: of the pages, by their number in the region; with one before the first
 *	and one behind the last, which look as if those were used
 * @links: of the pages
 * @head: first piece of each class
 */
struct p2pdma_pool_region {
	raw_spinlock_t lock;
	struct p2pdma_pool *pool;
	u32 pages;
	u32 limit;
	u32 open;
	s32 used;
	u64 allocs;
	unsigned long rows;
	unsigned long classes[MAX_ROWS];
	u32 *tag_base;
	u32 *tags;
	struct link *links;
	u32 head[];
};

/* ---- classes ---- */

/*
 * A class ends with its roundest size, as BARs and large pieces tend to have
 * those, and a little less of it should not be another class.  Hence all sizes
 * count from 0 here.
 */
static __always_inline unsigned int class_shift(u32 n)
{
	return __fls((n - 1) | BIT(CLASS_BITS)) - CLASS_BITS;
}

/* The class that a piece of @n pages is in */
static __always_inline unsigned int class_of(u32 n)
{
	unsigned int shift = class_shift(n);

	return (shift << CLASS_BITS) + ((n - 1) >> shift);
}

/* The first class of which every piece has @n pages or more */
static __always_inline unsigned int class_from(u32 n)
{
	unsigned int shift = class_shift(n);

	return (shift << CLASS_BITS) + ((n - 2 + BIT(shift)) >> shift);
}

static __always_inline bool same_class(u32 n, u32 m)
{
	return !(((n - 1) ^ (m - 1)) >> class_shift(n));
}

static __always_inline void class_mark(struct p2pdma_pool_region *r,
				       unsigned int class)
{
	r->classes[class / BITS_PER_LONG] |= BIT(class % BITS_PER_LONG);
	r->rows |= BIT(class / BITS_PER_LONG);
}

static __always_inline void class_unmark(struct p2pdma_pool_region *r,
					 unsigned int class)
{
	unsigned int row = class / BITS_PER_LONG;

	r->classes[row] &= ~BIT(class % BITS_PER_LONG);
	if (!r->classes[row])
		r->rows &= ~BIT(row);
}

/* The first class from @class on that has a piece, or NONE */
static __always_inline unsigned int find_class(struct p2pdma_pool_region *r,
					       unsigned int class)
{
	unsigned int row = class / BITS_PER_LONG;
	unsigned long found;

	found = r->classes[row] & (~0UL << class % BITS_PER_LONG);
	if (!found) {
		found = r->rows & (~1UL << row);
		if (!found)
			return NONE;
		row = __ffs(found);
		found = r->classes[row];
	}
	return row * BITS_PER_LONG + __ffs(found);
}

/* ---- pieces ---- */

static __always_inline void piece_add(struct p2pdma_pool_region *r,
				      unsigned long at, u32 n)
{
	struct link *links = r->links;
	unsigned int class = class_of(n);
	u32 *tags = r->tags, next = r->head[class];

	tags[at] = n;
	tags[at + n - 1] = n;
	links[at] = (struct link){ next, NONE };
	r->head[class] = at;
	if (next != NONE)
		links[next].prev = at;
	else
		class_mark(r, class);
}

/* The first piece of a class goes, @next is the first now. */
static __always_inline void class_pop(struct p2pdma_pool_region *r,
				      unsigned int class, u32 next)
{
	r->head[class] = next;
	if (next != NONE)
		r->links[next].prev = NONE;
	else
		class_unmark(r, class);
}

/* Leaves the sizes in its tags. */
static __always_inline void piece_del(struct p2pdma_pool_region *r,
				      unsigned long at, u32 n)
{
	struct link *links = r->links, link = links[at];

	if (link.prev == NONE) {
		class_pop(r, class_of(n), link.next);
		return;
	}
	links[link.prev].next = link.next;
	if (link.next != NONE)
		links[link.next].prev = link.prev;
}

/* Nothing is allocated in a closed region any more.  Was it the last one? */
static inline void region_idle(struct p2pdma_pool_region *r)
{
	if (atomic_dec_and_test(&r->pool->busy))
		complete_all(&r->pool->idle);
}

/* A larger piece than thought may be free: whoever asks has to look. */
static inline void limit_reset(struct p2pdma_pool *pool)
{
	WRITE_ONCE(pool->limit, pool->size);
}

#endif /* _PCI_P2PDMA_REGION_H */
