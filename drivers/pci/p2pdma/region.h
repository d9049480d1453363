/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One region of the pool: its free pieces by class, and what is taken out of
 * them and given back.  For pool.c alone, where all of it is explained; a file
 * of its own, and no object, as it is inlined there.
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

#include "p2pdma.h"

#define NONE		U32_MAX		/* no page, no class */

#define CLASS_BITS	4		/* log2 of the classes in a power of two */
#define MAX_PAGES	BIT(30)
#define MAX_CLASSES	((31 - CLASS_BITS) << CLASS_BITS)
#define MAX_ROWS	(MAX_CLASSES / BITS_PER_LONG + 1)

/* Pieces that a request may look at if one that is larger does not exist */
#define MAX_TRIES	256

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
 * @limit: largest allocation: @pages, or 0 when the pool is closed
 * @used: number of pages that are not free, and 1 more until the pool is closed
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
	u32 used;
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

/* ---- one region ---- */

/* Nothing is allocated in a closed region any more.  Was it the last one? */
static void region_idle(struct p2pdma_pool_region *r)
{
	if (atomic_dec_and_test(&r->pool->busy))
		complete_all(&r->pool->idle);
}

/* Take @n pages from @at on out of the free piece [@piece, @piece + @size). */
static void carve(struct p2pdma_pool_region *r, unsigned long piece, u32 size,
		  unsigned long at, u32 n)
{
	u32 left = at - piece, right = size - left - n;

	r->used += n;
	piece_del(r, piece, size);
	r->tags[piece] = 0;
	r->tags[piece + size - 1] = 0;
	if (left)
		piece_add(r, piece, left);
	if (right)
		piece_add(r, at + n, right);
}

/* Where in a piece @n pages begin that are aligned, or NONE if it is too small */
static u32 fit(struct p2pdma_pool_region *r, u32 piece, u32 n, u32 first,
	       u32 align)
{
	u32 skip = ALIGN(first + piece, align) - first - piece;
	u32 size = r->tags[piece];

	return size >= n && size - n >= skip ? piece + skip : NONE;
}

/*
 * There is no piece that is large enough whatever its place, or the place
 * matters: look at those that may do.
 */
static noinline u32 take_slowly(struct p2pdma_pool_region *r, u32 n, u32 first,
				u32 align)
{
	unsigned int class = find_class(r, class_of(n)), tries = MAX_TRIES;
	u32 piece, at;

	while (class != NONE && tries) {
		for (piece = r->head[class]; piece != NONE && tries;
		     piece = r->links[piece].next, tries--) {
			at = fit(r, piece, n, first, align);
			if (at == NONE)
				continue;
			carve(r, piece, r->tags[piece], at, n);
			r->allocs++;
			return at;
		}
		class = find_class(r, class + 1);
	}
	return NONE;
}

/* Take the first @n pages of the piece that is the first of its class. */
static __always_inline u32 take_head(struct p2pdma_pool_region *r, u32 n,
				     unsigned int class)
{
	u32 *tags = r->tags, piece = r->head[class], size = tags[piece];
	struct link *links = r->links;
	u32 next = links[piece].next, left = size - n;
	unsigned long rest = piece + n;

	r->allocs++;
	r->used += n;
	tags[piece] = 0;
	if (likely(left && same_class(size, left))) {
		tags[rest] = left;
		tags[rest + left - 1] = left;
		links[rest] = (struct link){ next, NONE };
		r->head[class] = rest;
		if (next != NONE)
			links[next].prev = rest;
		return piece;
	}
	tags[piece + size - 1] = 0;
	class_pop(r, class, next);
	if (left)
		piece_add(r, rest, left);
	return piece;
}

/* Take @n pages from anywhere: the usual case, and so the fast one. */
static __always_inline u32 take_any(struct p2pdma_pool_region *r, u32 n)
{
	unsigned int class = class_from(n), row = class / BITS_PER_LONG;
	unsigned long found;

	lockdep_assert_held(&r->lock);
	if (unlikely(n > r->limit))
		return NONE;
	found = r->classes[row] & (~0UL << class % BITS_PER_LONG);
	if (!found) {
		found = r->rows & (~1UL << row);
		if (unlikely(!found))
			return take_slowly(r, n, 0, 1);
		row = __ffs(found);
		found = r->classes[row];
	}
	return take_head(r, n, row * BITS_PER_LONG + __ffs(found));
}

/*
 * Take @n pages; @first is the number that the first page of the region has in
 * the pool, where they are to be a multiple of @align, a power of two.
 */
static u32 take(struct p2pdma_pool_region *r, u32 n, u32 first, u32 align)
{
	if (align == 1)
		return take_any(r, n);
	return n > r->limit ? NONE : take_slowly(r, n, first, align);
}

/* Others than give() has dealt with: they move from one class to another. */
static noinline void give_slowly(struct p2pdma_pool_region *r, unsigned long at,
				 u32 n, u32 left, u32 right)
{
	if (right) {
		piece_del(r, at + n, right);
		r->tags[at + n] = 0;
	}
	if (left) {
		piece_del(r, at - left, left);
		r->tags[at - 1] = 0;
	}
	piece_add(r, at - left, left + n + right);
}

static __always_inline void give(struct p2pdma_pool_region *r, unsigned long at,
				 u32 n)
{
	u32 *tags = r->tags + at;
	u32 left = tags[-1], right = tags[n];

	lockdep_assert_held(&r->lock);
	if (WARN_ON_ONCE(tags[0]))	/* It is free. */
		return;
	r->used -= n;
	if (unlikely(!r->used))
		region_idle(r);
	/* The piece before it grows, and that is all. */
	if (likely(left && !right && same_class(left + n, left))) {
		tags[-1] = 0;
		tags[-(long)left] = left + n;
		tags[n - 1] = left + n;
		return;
	}
	give_slowly(r, at, n, left, right);
}

#endif /* _PCI_P2PDMA_REGION_H */
