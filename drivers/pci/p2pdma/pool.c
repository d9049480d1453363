// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the pool
 *
 * Which pieces of the peer memory are free: offsets, in units of pages.
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
 * makes 12 bytes per page, or 3 MiB for each GiB of peer memory.
 *
 * So that CPUs do not wait for each other, a large pool is cut into up to eight
 * *regions*, each with tags, classes and a lock of its own; pieces do not reach
 * over their ends.  Each CPU has a *start region*, from which it allocates: the
 * first for all of them at the beginning, which keeps what is allocated together,
 * and the next one when it finds that locked.  Only when the start region has
 * nothing are the others tried, then all of them locked to find a run over their
 * ends: what is there is found, and the effort is bounded by the number of
 * regions.
 *
 * That is dear, and who fails may try again and again.  So a failure lowers the
 * pool's *limit*: no more than so many bytes are free in one run, and who asks
 * for more fails without a lock.  Allocations cannot make that untrue.  What is
 * freed can, and has to be looked at from then on, in all regions, which are
 * *watched*: a larger piece than the limit, or one that may continue beyond the
 * end of its region, resets it.  It is lowered under all locks and reset under
 * any.  A region that is not watched pays nothing for that, as its count of used
 * pages, which freeing changes and checks anyway, becomes negative when it is.
 *
 * Lock order: the regions' locks in ascending order; they are innermost.
 */
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

#include "region.h"

/* Where this CPU begins to look; meant for all pools, a mere hint for each */
static DEFINE_PER_CPU(unsigned int, start_region);

/* ---- one region ---- */

/* Pages that are not free */
static u32 region_used(const struct p2pdma_pool_region *r)
{
	if (!r->open)
		return r->used + 1;
	return r->used + (r->used < 0 ? WATCHED : 0);
}

/* A piece that hid others from who may only look at so many has gone. */
static noinline void piece_removed(struct p2pdma_pool_region *r)
{
	if (r->pool->missed)
		limit_reset(r->pool);
}

/*
 * @n pages from @first on become a free piece, of a region that is watched or
 * has nothing used any more.
 */
static noinline void region_check_freed(struct p2pdma_pool_region *r,
					unsigned long first, u32 n)
{
	struct p2pdma_pool *pool = r->pool;

	if (!r->open) {
		region_idle(r);
		return;
	}
	/* What there is beyond the ends is known under all locks only. */
	if ((u64)n << PAGE_SHIFT > READ_ONCE(pool->limit) || pool->missed ||
	    !first || first + n == r->pages)
		limit_reset(pool);
	if (READ_ONCE(pool->limit) == pool->size)
		r->used += WATCHED;
}

/* Take @n pages from @at on out of the free piece [@piece, @piece + @size). */
static void piece_carve(struct p2pdma_pool_region *r, unsigned long piece,
			u32 size, unsigned long at, u32 n)
{
	u32 left = at - piece, right = size - left - n;

	r->used += n;
	if (unlikely(r->used < 0))
		piece_removed(r);
	piece_del(r, piece, size);
	r->tags[piece] = 0;
	r->tags[piece + size - 1] = 0;
	if (left)
		piece_add(r, piece, left);
	if (right)
		piece_add(r, at + n, right);
}

/* Where in a piece @n pages begin that are aligned, or NONE if it is too small */
static u32 piece_fit(struct p2pdma_pool_region *r, u32 piece, u32 n, u32 first,
		     u32 align)
{
	u32 skip = ALIGN(first + piece, align) - first - piece;
	u32 size = r->tags[piece];

	return size >= n && size - n >= skip ? piece + skip : NONE;
}

/*
 * There is no piece that is large enough whatever its place, or the place
 * matters: look at those that may do, at most @tries, which are counted down,
 * or MAX_TRIES.
 */
static noinline u32 region_alloc_slow(struct p2pdma_pool_region *r, u32 n,
				      u32 first, u32 align,
				      unsigned int *tries)
{
	unsigned int class = find_class(r, class_of(n)), own = MAX_TRIES;
	u32 piece, at;

	tries = tries ?: &own;
	while (class != NONE && *tries) {
		for (piece = r->head[class]; piece != NONE && *tries;
		     piece = r->links[piece].next, --*tries) {
			at = piece_fit(r, piece, n, first, align);
			if (at == NONE)
				continue;
			piece_carve(r, piece, r->tags[piece], at, n);
			r->allocs++;
			return at;
		}
		class = find_class(r, class + 1);
	}
	return NONE;
}

/* Take the first @n pages of the piece that is the first of its class. */
static __always_inline u32
region_alloc_head(struct p2pdma_pool_region *r, u32 n, unsigned int class)
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
	if (unlikely(r->used < 0))
		piece_removed(r);
	tags[piece + size - 1] = 0;
	class_pop(r, class, next);
	if (left)
		piece_add(r, rest, left);
	return piece;
}

/* Take @n pages from anywhere: the usual case, and so the fast one. */
static __always_inline u32 region_alloc_any(struct p2pdma_pool_region *r, u32 n,
					    unsigned int *tries)
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
			return region_alloc_slow(r, n, 0, 1, tries);
		row = __ffs(found);
		found = r->classes[row];
	}
	return region_alloc_head(r, n, row * BITS_PER_LONG + __ffs(found));
}

/*
 * Take @n pages; @first is the number that the first page of the region has in
 * the pool, where they are to be a multiple of @align, a power of two.
 */
static u32 region_alloc(struct p2pdma_pool_region *r, u32 n, u32 first,
			u32 align, unsigned int *tries)
{
	if (align == 1)
		return region_alloc_any(r, n, tries);
	return n > r->limit ? NONE :
			      region_alloc_slow(r, n, first, align, tries);
}

/* All but what region_free() has dealt with: a piece changes its class. */
static noinline void region_free_slow(struct p2pdma_pool_region *r,
				      unsigned long at, u32 n, u32 left,
				      u32 right)
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

static __always_inline void region_free(struct p2pdma_pool_region *r,
					unsigned long at, u32 n)
{
	u32 *tags = r->tags + at;
	u32 left = tags[-1], right = tags[n];

	lockdep_assert_held(&r->lock);
	if (WARN_ON_ONCE(tags[0]))	/* It is free. */
		return;
	r->used -= n;
	if (unlikely(r->used < 0))
		region_check_freed(r, at - left, left + n + right);
	/* The piece before it grows, and that is all. */
	if (likely(left && !right && same_class(left + n, left))) {
		tags[-1] = 0;
		tags[-(long)left] = left + n;
		tags[n - 1] = left + n;
		return;
	}
	region_free_slow(r, at, n, left, right);
}

/* ---- all regions ---- */

/* Region @i: which page of the pool it begins with */
static u32 region_first(struct p2pdma_pool *pool, unsigned int i)
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
		first = region_first(pool, i);
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
static void run_alloc(struct p2pdma_pool *pool, u32 at, u32 n)
{
	unsigned int i = at >> pool->region_shift;
	struct p2pdma_pool_region *r = pool->region[i];
	u32 here = at - region_first(pool, i), part, piece;

	r->allocs++;
	/* The first part is in the first piece or the last; all others begin. */
	piece = here < r->tags[0] ? 0 :
					 r->pages - r->tags[r->pages - 1];
	for (;;) {
		part = min(n, r->pages - here);
		piece_carve(r, piece, r->tags[piece], here, part);
		n -= part;
		if (!n)
			return;
		r = pool->region[++i];
		here = 0;
		piece = 0;
	}
}

/*
 * There is no run of @n pages anywhere; or there was no end of looking, and it
 * was @missed.
 */
static void limit_lower(struct p2pdma_pool *pool, u32 n, bool missed)
{
	unsigned int i;

	for (i = 0; i < pool->regions; i++) {
		struct p2pdma_pool_region *r = pool->region[i];

		lockdep_assert_held(&r->lock);
		/* Nobody allocates from a closed one, whatever comes back. */
		if (r->open && r->used >= 0)
			r->used -= WATCHED;
	}
	pool->missed = missed;
	WRITE_ONCE(pool->limit, (u64)(n - 1) << PAGE_SHIFT);
}

/* Not in the start region: in another one, or over the ends of some. */
static noinline u32 alloc_elsewhere(struct p2pdma_pool *pool, unsigned int not,
				    u32 n, u32 align)
{
	unsigned int i, tries = MAX_TRIES;
	unsigned long flags;
	u32 at;

	for (i = 0; i < pool->regions; i++) {
		struct p2pdma_pool_region *r = pool->region[i];

		if (i == not)
			continue;
		raw_spin_lock_irqsave(&r->lock, flags);
		at = region_alloc(r, n, region_first(pool, i), align, NULL);
		raw_spin_unlock_irqrestore(&r->lock, flags);
		if (at != NONE)
			return region_first(pool, i) + at;
	}

	/* Now nothing moves: what is free somewhere is seen. */
	flags = lock_all(pool);
	for (i = 0; i < pool->regions; i++) {
		at = region_alloc(pool->region[i], n, region_first(pool, i),
				  align, &tries);
		if (at != NONE) {
			at += region_first(pool, i);
			goto unlock;
		}
	}
	at = find_run(pool, n, align);
	if (at != NONE)
		run_alloc(pool, at, n);
	else if (align == 1)
		limit_lower(pool, n, !tries);
unlock:
	unlock_all(pool, flags);
	return at;
}

/* The start region is locked: this CPU starts with the next one from now on. */
static noinline unsigned int next_region(struct p2pdma_pool *pool,
					 unsigned int i)
{
	if (pool->regions > 1) {
		i = i + 1 < pool->regions ? i + 1 : 0;
		raw_cpu_write(start_region, i);
	}
	return i;
}

/**
 * p2pdma_pool_alloc - allocate a piece of the resource
 * @pool: pool
 * @size: length in bytes, not 0; rounded up to whole pages
 * @align: power of two that the offset is to be a multiple of; 1 for a page
 * @offset: where the piece begins, on success
 *
 * A request of more than 32 pages, or for more than a page's alignment, that
 * only a few pieces satisfy may miss them if 256 of about the same size do not:
 * that is the price of constant time.  But for that, a failure is true: at some
 * moment between call and return no run of that size was free.  What has been
 * given back before the call is seen.
 *
 * A failure that nothing has come back to change costs a comparison; others
 * take all locks once.
 *
 * Context: any.
 * Return: true, or false if there is no free piece of that size.
 */
bool p2pdma_pool_alloc(struct p2pdma_pool *pool, u64 size, u64 align,
		       u64 *offset)
{
	unsigned int i = raw_cpu_read(start_region);
	struct p2pdma_pool_region *r;
	u32 n, at, pages = 1;
	unsigned long flags;

	if (unlikely(align > PAGE_SIZE)) {
		if (align > pool->size)
			goto none;
		pages = align >> PAGE_SHIFT;
	}
	if (size > READ_ONCE(pool->limit))
		goto none;
	n = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;

	if (unlikely(i >= pool->regions))
		i %= pool->regions;
	r = pool->region[i];
	local_irq_save(flags);
	if (unlikely(!raw_spin_trylock(&r->lock))) {
		i = next_region(pool, i);
		r = pool->region[i];
		raw_spin_lock(&r->lock);
	}
	at = likely(pages == 1) ? region_alloc_any(r, n, NULL) :
				  region_alloc(r, n, region_first(pool, i),
					       pages, NULL);
	raw_spin_unlock(&r->lock);
	local_irq_restore(flags);

	if (likely(at != NONE))
		at += region_first(pool, i);
	else
		at = alloc_elsewhere(pool, i, n, pages);
	if (unlikely(at == NONE))
		goto none;
	*offset = (u64)at << PAGE_SHIFT;
	return true;
none:
	atomic64_inc(&pool->failures);
	return false;
}

/* What comes back is from several regions. */
static noinline void free_parts(struct p2pdma_pool *pool, u32 at, u32 n)
{
	unsigned int i = at >> pool->region_shift;
	unsigned long flags;
	u32 part;

	for (at -= region_first(pool, i); n; at = 0, n -= part) {
		struct p2pdma_pool_region *r = pool->region[i++];

		part = min(n, r->pages - at);
		raw_spin_lock_irqsave(&r->lock, flags);
		region_free(r, at, part);
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
		free_parts(pool, at, n);
		return;
	}
	local_irq_save(flags);
	raw_spin_lock(&r->lock);
	region_free(r, here, n);
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
		pages += r->pages - region_used(r);
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
 * p2pdma_pool_has_free - is a part of a pool worth mentioning free?
 * @pool: open pool
 *
 * Takes no lock, so it is a guess.
 *
 * Context: any.
 * Return: true if at least a sixteenth is; false if there is nothing in it at all.
 */
bool p2pdma_pool_has_free(const struct p2pdma_pool *pool)
{
	u64 pages = pool->size >> PAGE_SHIFT, used = 0;
	unsigned int i;

	for (i = 0; i < pool->regions; i++) {
		/* data_race: a guess */
		s32 pages_used = data_race(pool->region[i]->used);

		used += pages_used + (pages_used < 0 ? WATCHED : 0);
	}
	return pages && used <= pages - (pages + 15) / 16;
}

/**
 * p2pdma_pool_stats - use counters of the pool
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

	/* Nobody asked for what is registered without pages: it was in the way */
	*stats = (struct p2pdma_pool_stats) {
		.failures = pool->size ? atomic64_read(&pool->failures) : 0,
	};
	for (i = 0; i < pool->regions; i++) {
		struct p2pdma_pool_region *r = pool->region[i];
		u32 lead = r->tags[0];

		stats->free += r->pages - region_used(r);
		stats->allocs += r->allocs;
		largest = max3(largest, largest_piece(r), run + lead);
		run = lead == r->pages ? run + lead :
					 r->tags[r->pages - 1];
	}
	unlock_all(pool, flags);
	stats->free <<= PAGE_SHIFT;
	stats->largest = (u64)largest << PAGE_SHIFT;
}
