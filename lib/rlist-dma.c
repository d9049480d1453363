// SPDX-License-Identifier: GPL-2.0-only
/*
 * Range lists: what a device sees of one that is mapped, broken up as the device
 * wants it.
 */
#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/rlist.h>

#include "rlist-store.h"

/* ---- stretches ---- */

static unsigned int source_of(const struct rlist_dma *dma,
			      struct p2pdma_resource *peer)
{
	unsigned int i = 0;

	while (dma->source[i].peer != peer)
		i++;
	return i;
}

/* The next range as the CPU has it; the entries of a list say where they are from */
static __always_inline bool next_cpu(struct rlist_dma_iter *it, u64 *start,
				     u64 *len, unsigned int *source)
{
	struct rlist_range range;

	if (likely(it->dma->cpu.kind == RLIST_LIST))
		return rlist_cursor_next(&it->it.cursor, start, len, source);
	if (!rlist_next(&it->it, &range))
		return false;
	*start = range.start;
	*len = range.len;
	*source = source_of(it->dma, range.peer);
	return true;
}

/* Each range begins in a page of its own: iommu_dma_map_rlist() has mapped it so */
static dma_addr_t next_iova(struct rlist_dma_iter *it, u64 start, u64 len)
{
	unsigned int offset = offset_in_page(start);
	dma_addr_t addr = it->iova + offset;

	it->iova += round_up(offset + len, (u64)PAGE_SIZE);
	return addr;
}

static __always_inline bool next_dma(struct rlist_dma_iter *it, u64 *addr,
				     u64 *len, unsigned int *source)
{
	const struct rlist_dma *dma = it->dma;
	u64 start;

	if (it->single)
		return false;
	if (unlikely(dma->how == RLIST_DMA_EACH))
		return rlist_cursor_next(&it->it.cursor, addr, len, source);
	if (!next_cpu(it, &start, len, source))
		return false;
	if (dma->how == RLIST_DMA_OFFSET || dma->source[*source].bus)
		*addr = start + dma->source[*source].offset;
	else
		*addr = next_iova(it, start, *len);
	return true;
}

static __always_inline void look_ahead(struct rlist_dma_iter *it)
{
	u64 addr, len;

	if (next_dma(it, &addr, &len, &it->ahead_source)) {
		it->ahead.addr = addr;
		it->ahead.len = len;
	} else {
		it->ahead.len = 0;
	}
}

/**
 * rlist_dma_begin - begin a walk through what a device sees
 * @it: the walk; may be uninitialized
 * @dma: what dma_map_rlist() has set up; stays mapped until the walk is over
 *
 * Context: any.
 */
void rlist_dma_begin(struct rlist_dma_iter *it, const struct rlist_dma *dma)
{
	it->dma = dma;
	it->iova = dma->iova;
	it->rest.len = 0;
	it->blocks = false;
	it->ragged = false;
	it->simple = dma->how == RLIST_DMA_OFFSET && dma->cpu.kind == RLIST_LIST;
	it->single = dma->how == RLIST_DMA_IOVA && dma->single;
	if (it->single) {
		it->ahead.addr = dma->iova;
		it->ahead.len = dma->bytes;
		it->ahead_source = 0;
		return;
	}
	if (dma->how == RLIST_DMA_EACH)
		rlist_cursor_enter(&it->it.cursor, dma->store.first);
	else
		rlist_begin(&it->it, &dma->cpu);
	if (!it->simple)
		look_ahead(it);
}
EXPORT_SYMBOL_GPL(rlist_dma_begin);

/* It ends where the next range does not adjoin, or is from another source. */
static bool next_stretch(struct rlist_dma_iter *it,
			 struct rlist_dma_range *range)
{
	unsigned int source = it->ahead_source;
	u64 addr = it->ahead.addr, len = it->ahead.len;

	if (!len)
		return false;
	for (;;) {
		look_ahead(it);
		if (!it->ahead.len || it->ahead.addr != addr + len ||
		    it->ahead_source != source)
			break;
		len += it->ahead.len;
	}
	range->addr = addr;
	range->len = len;
	return true;
}

/* What is not whole pages in the chunk that the walk is in */
static noinline bool next_simple_slow(struct rlist_dma_iter *it,
				      struct rlist_dma_range *range)
{
	unsigned int source;
	u64 start, len;

	if (!rlist_cursor_next(&it->it.cursor, &start, &len, &source))
		return false;
	range->addr = start + it->dma->source[source].offset;
	range->len = len;
	return true;
}

/* A list that is seen as it is: entries that adjoin are one already. */
static __always_inline bool next_simple(struct rlist_dma_iter *it,
					struct rlist_dma_range *range)
{
	const u64 *pos = it->it.cursor.pos;
	u64 word;

	if (unlikely(pos == it->it.cursor.end))
		return next_simple_slow(it, range);
	word = *pos;
	if (unlikely(word & RLIST_WIDE))
		return next_simple_slow(it, range);
	it->it.cursor.pos = pos + 1;
	range->addr = ((word & RLIST_PFN_MASK) << PAGE_SHIFT) +
		      it->dma->source[rlist_word_source(word)].offset;
	range->len = rlist_word_pages(word) << PAGE_SHIFT;
	return true;
}

static noinline bool next_other(struct rlist_dma_iter *it,
				struct rlist_dma_range *range)
{
	if (!it->rest.len)
		return next_stretch(it, range);
	*range = it->rest;
	it->rest.len = 0;
	return true;
}

/**
 * rlist_dma_next - the next stretch of a walk
 * @it: the walk
 * @range: set, if there is one
 *
 * It is as long as what the device sees adjoins and comes from one source: RAM, or
 * one resource of a provider.
 *
 * Context: any.
 * Return: false at the end.
 */
bool rlist_dma_next(struct rlist_dma_iter *it, struct rlist_dma_range *range)
{
	if (likely(it->simple && !it->rest.len))
		return next_simple(it, range);
	return next_other(it, range);
}
EXPORT_SYMBOL_GPL(rlist_dma_next);

/* ---- as hardware wants it ---- */

/* What of a stretch is not wanted yet comes next. */
static void give_back(struct rlist_dma_iter *it, struct rlist_dma_range *range,
		      u64 len)
{
	it->rest.addr = range->addr + len;
	it->rest.len = range->len - len;
	range->len = len;
}

/**
 * rlist_dma_next_segment - the next segment that a device takes
 * @it: the walk
 * @limits: what the device takes
 * @range: set, if there is one
 *
 * Context: any.
 * Return: false at the end.
 */
bool rlist_dma_next_segment(struct rlist_dma_iter *it,
			    const struct rlist_dma_limits *limits,
			    struct rlist_dma_range *range)
{
	u64 most;

	if (!rlist_dma_next(it, range))
		return false;
	/* How far it is to the last byte before the boundary */
	most = limits->boundary - (range->addr & limits->boundary);
	most = min(most, limits->max_len - 1);
	if (range->len - 1 > most)
		give_back(it, range, most + 1);
	return true;
}
EXPORT_SYMBOL_GPL(rlist_dma_next_segment);

/* All powers of 2 up to that of @shift */
static unsigned long up_to(unsigned int shift)
{
	return GENMASK(min(shift, BITS_PER_LONG - 1U), 0);
}

/**
 * rlist_dma_block_shift - the largest blocks that a mapping is made of
 * @dma: what dma_map_rlist() has set up
 * @sizes: powers of 2 that the device has as sizes of blocks, ORed
 *
 * For hardware that takes a list of addresses of blocks of one size.  The first
 * block may begin before the memory does and the last end after it; all others
 * are full of it.
 *
 * Context: any; walks through the mapping.
 * Return: log2 of the largest size, or -EINVAL if none of @sizes will do.
 */
int rlist_dma_block_shift(const struct rlist_dma *dma, unsigned long sizes)
{
	struct rlist_dma_range range;
	struct rlist_dma_iter it;
	u64 mask = 0, end = 0;
	unsigned long small;
	bool first = true;

	rlist_dma_for_each(&it, dma, &range) {
		if (!first)
			mask |= end | range.addr;
		end = range.addr + range.len;
		first = false;
	}
	sizes &= up_to(mask ? __ffs64(mask) : BITS_PER_LONG - 1);
	if (!sizes)
		return -EINVAL;
	/* No larger than it takes: what is around the memory is not the device's */
	small = sizes & up_to(fls64(dma->bytes - 1));
	return small ? __fls(small) : __ffs(sizes);
}
EXPORT_SYMBOL_GPL(rlist_dma_block_shift);

/* As many single pages of a list that is seen as it is as come next */
static unsigned long simple_pages(struct rlist_dma_iter *it, dma_addr_t *addr,
				  unsigned long count)
{
	const u64 *pos = it->it.cursor.pos, *end = it->it.cursor.end;
	const struct rlist_dma_source *source = it->dma->source;
	unsigned long n = 0;
	u64 word;

	if (it->rest.len || it->ragged)
		return 0;
	for (; pos < end && n < count; pos++) {
		word = *pos;
		if (word & (RLIST_WIDE | RLIST_PAGES_MASK))
			break;
		addr[n++] = ((word & RLIST_PFN_MASK) << PAGE_SHIFT) +
			    source[rlist_word_source(word)].offset;
	}
	it->it.cursor.pos = pos;
	it->blocks |= n;
	return n;
}

/**
 * rlist_dma_blocks - addresses of the next blocks of a walk
 * @it: the walk
 * @shift: log2 of the size of a block, as rlist_dma_block_shift() returned it
 * @addr: array to fill; the first byte of the memory is in the block at addr[0],
 *	not necessarily at its beginning
 * @count: entries of the array
 *
 * Context: any.
 * Return: number of entries filled, less than @count only at the end; -EINVAL if the
 * mapping is not made of such blocks, or @shift is no shift at all.
 */
long rlist_dma_blocks(struct rlist_dma_iter *it, unsigned int shift,
		      dma_addr_t *addr, unsigned long count)
{
	struct rlist_dma_range range;
	unsigned long n = 0;
	u64 size, at, end;

	/* Such as the error of rlist_dma_block_shift() */
	if (shift >= BITS_PER_LONG)
		return -EINVAL;
	size = 1ULL << shift;
	for (;;) {
		if (it->simple && shift == PAGE_SHIFT)
			n += simple_pages(it, addr + n, count - n);
		if (n == count || !rlist_dma_next(it, &range))
			return n;
		end = range.addr + range.len;
		/* Only the first may begin, and only the last end, within a block */
		if ((it->blocks && range.addr & (size - 1)) || it->ragged)
			return -EINVAL;
		it->blocks = true;
		it->ragged = end & (size - 1);
		for (at = ALIGN_DOWN(range.addr, size); at < end && n < count;
		     at += size)
			addr[n++] = at;
		if (at < end)
			give_back(it, &range, at - range.addr);
	}
}
EXPORT_SYMBOL_GPL(rlist_dma_blocks);
