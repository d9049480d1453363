// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of pool.c: no byte is handed out twice, none is lost.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#include "../pool.h"

static ulong seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "start of the random sequences, 0 for another one each time");

static void seed_rnd(struct kunit *test, struct rnd_state *rnd)
{
	unsigned long chosen = seed ?: get_random_u32() | 1;

	kunit_info(test, "pool_test.seed=%lu repeats this\n", chosen);
	prandom_seed_state(rnd, chosen);
}

static u32 below(struct rnd_state *rnd, u32 limit)
{
	return prandom_u32_state(rnd) % limit;
}

static void exit_pool(void *pool)
{
	p2pdma_pool_exit(pool);
}

/* A pool of that many pages, gone when the test ends */
static struct p2pdma_pool *make_pool(struct kunit *test, u64 pages)
{
	struct p2pdma_pool *pool = kunit_kzalloc(test, sizeof(*pool), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pool);
	KUNIT_ASSERT_EQ(test, 0, p2pdma_pool_init(pool, pages * PAGE_SIZE,
						  NUMA_NO_NODE));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, exit_pool, pool));
	return pool;
}

/* ---- sizes ---- */

static void pool_whole(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 512);
	u64 offset, other;

	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), SZ_2M);
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_2M, PAGE_SIZE, &offset));
	KUNIT_EXPECT_EQ(test, offset, 0);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), 0);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, 1, PAGE_SIZE, &other));
	p2pdma_pool_free(pool, offset, SZ_2M);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), SZ_2M);
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_2M, PAGE_SIZE, &offset));
	p2pdma_pool_free(pool, offset, SZ_2M);
}

static void pool_too_much(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 512);
	u64 offset;

	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, SZ_2M + 1, PAGE_SIZE,
						   &offset));
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, U64_MAX, PAGE_SIZE,
						   &offset));
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, 1, SZ_4M, &offset));
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, SZ_4G, PAGE_SIZE, &offset));
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), SZ_2M);
}

/* A request of 20 pages takes 20, one of a byte takes 1. */
static void pool_exact(struct kunit *test)
{
	static const struct {
		u64 size, takes;
	} sizes[] = {
		{ 1, 1 }, { PAGE_SIZE - 1, 1 }, { PAGE_SIZE, 1 },
		{ PAGE_SIZE + 1, 2 }, { 3 * PAGE_SIZE, 3 },
		{ 20 * PAGE_SIZE, 20 }, { 20 * PAGE_SIZE + 1, 21 },
		{ SZ_1M, SZ_1M / PAGE_SIZE }, { 511 * PAGE_SIZE, 511 },
	};
	struct p2pdma_pool *pool = make_pool(test, 512);
	u64 offset;
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, sizes[i].size,
							  PAGE_SIZE, &offset));
		KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool),
				SZ_2M - sizes[i].takes * PAGE_SIZE);
		p2pdma_pool_free(pool, offset, sizes[i].size);
		KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), SZ_2M);
	}
}

/* Every page can be had, whatever the size of the pool. */
static void pool_every_page(struct kunit *test)
{
	static const u32 sizes[] = { 1, 2, 63, 64, 65, 512, 4097 };
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 pages = sizes[i], page;
		struct p2pdma_pool *pool = make_pool(test, pages);
		unsigned long *seen = kunit_kcalloc(test, BITS_TO_LONGS(pages),
						    sizeof(long), GFP_KERNEL);
		u64 offset;

		KUNIT_ASSERT_NOT_NULL(test, seen);
		for (page = 0; page < pages; page++) {
			KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, PAGE_SIZE,
								  PAGE_SIZE, &offset));
			KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(offset));
			KUNIT_ASSERT_LT(test, offset, pages * PAGE_SIZE);
			KUNIT_ASSERT_FALSE(test, __test_and_set_bit(offset >> PAGE_SHIFT,
								    seen));
		}
		KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, PAGE_SIZE,
							   PAGE_SIZE, &offset));
		for (page = 0; page < pages; page++)
			p2pdma_pool_free(pool, (u64)page << PAGE_SHIFT, PAGE_SIZE);
	}
}

/* User mappings give single pages back, of what was allocated in one piece. */
static void pool_back_in_parts(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 512);
	u64 offset, page;

	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_2M, PAGE_SIZE, &offset));
	for (page = 1; page < 512; page += 2)
		p2pdma_pool_free(pool, page * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), SZ_1M);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, 2 * PAGE_SIZE, PAGE_SIZE,
						   &offset));
	for (page = 0; page < 512; page += 2)
		p2pdma_pool_free(pool, page * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, p2pdma_pool_alloc(pool, SZ_2M, PAGE_SIZE, &offset));
	p2pdma_pool_free(pool, 0, SZ_2M);
}

/* A hole is found wherever it is, and pieces that meet grow together. */
static void pool_holes(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 512);
	u64 offset, hole;

	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_2M, PAGE_SIZE, &offset));
	for (hole = 0; hole < SZ_2M; hole += SZ_64K) {
		p2pdma_pool_free(pool, hole, SZ_64K);
		KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, SZ_128K, PAGE_SIZE, &offset));
		KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_64K, PAGE_SIZE, &offset));
		KUNIT_EXPECT_EQ(test, offset, hole);
	}
	p2pdma_pool_free(pool, SZ_1M, SZ_64K);
	p2pdma_pool_free(pool, SZ_1M + SZ_128K, SZ_64K);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, SZ_128K, PAGE_SIZE, &offset));
	p2pdma_pool_free(pool, SZ_1M + SZ_64K, SZ_64K);
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 3 * SZ_64K, PAGE_SIZE,
						  &offset));
	KUNIT_EXPECT_EQ(test, offset, SZ_1M);
	p2pdma_pool_free(pool, 0, SZ_2M);
}

/*
 * A piece becomes a little shorter and stays the first of its class; the second
 * has to know where it begins now, as that one goes later.
 */
static void pool_shorter(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 4096);
	/* Pages: a piece, one between, a piece, all others */
	static const u32 pages[] = { 1024, 1, 1024, 4096 - 2049 };
	u64 at[ARRAY_SIZE(pages)], first, second, offset;
	int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, pages[i] * PAGE_SIZE,
							  PAGE_SIZE, &at[i]));
	p2pdma_pool_free(pool, at[0], SZ_4M);
	p2pdma_pool_free(pool, at[2], SZ_4M);
	/* The first of the class is what came back last. */
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 1, PAGE_SIZE, &offset));
	KUNIT_EXPECT_EQ(test, offset, at[2]);
	/* 1,025 pages are another class. */
	p2pdma_pool_free(pool, at[1], PAGE_SIZE);
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 1025 * PAGE_SIZE, PAGE_SIZE,
						  &first));
	KUNIT_EXPECT_EQ(test, first, at[0]);
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 1023 * PAGE_SIZE, PAGE_SIZE,
						  &second));
	KUNIT_EXPECT_EQ(test, second, at[2] + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), 0);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, 1, PAGE_SIZE, &offset));

	p2pdma_pool_free(pool, first, 2049 * PAGE_SIZE);
	p2pdma_pool_free(pool, at[3], pages[3] * PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, p2pdma_pool_alloc(pool, 4096 * PAGE_SIZE, PAGE_SIZE,
						  &offset));
}

/* Offsets beyond 4 GiB are whole. */
static void pool_large(struct kunit *test)
{
	u64 pages = 2 * (SZ_4G >> PAGE_SHIFT);
	struct p2pdma_pool *pool = make_pool(test, pages);
	u64 offset;

	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), 2 * SZ_4G);
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 2 * SZ_4G, PAGE_SIZE, &offset));
	p2pdma_pool_free(pool, 2 * SZ_4G - SZ_2M, SZ_2M);
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_2M, PAGE_SIZE, &offset));
	KUNIT_EXPECT_EQ(test, offset, 2 * SZ_4G - SZ_2M);
	p2pdma_pool_free(pool, 0, 2 * SZ_4G);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), 2 * SZ_4G);
}

/* A large pool has several regions, which nobody notices. */
static void pool_over_ends(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 4 * SZ_16M >> PAGE_SHIFT);
	struct p2pdma_pool_stats stats;
	u64 end, offset, other;

	KUNIT_EXPECT_EQ(test, pool->regions,
			rounddown_pow_of_two(min(num_possible_cpus(), 4U)));
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 4 * SZ_16M, PAGE_SIZE,
						  &offset));
	for (end = SZ_16M; end < 4 * SZ_16M; end += SZ_16M) {
		p2pdma_pool_free(pool, end - SZ_1M, SZ_2M);
		KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_2M, PAGE_SIZE,
							  &offset));
		KUNIT_EXPECT_EQ(test, offset, end - SZ_1M);
		KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), 0);
		/* A page before it and one behind */
		p2pdma_pool_free(pool, end - SZ_4K, SZ_8K);
		KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_4K, PAGE_SIZE,
							  &offset));
		KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_4K, PAGE_SIZE,
							  &other));
		KUNIT_EXPECT_EQ(test, min(offset, other), end - SZ_4K);
		KUNIT_EXPECT_EQ(test, max(offset, other), end);
	}
	/* The middle two and a little of both neighbours */
	p2pdma_pool_free(pool, SZ_16M - SZ_64K, 2 * SZ_16M + SZ_128K);
	p2pdma_pool_stats(pool, &stats);
	KUNIT_EXPECT_EQ(test, stats.free, 2 * SZ_16M + SZ_128K);
	KUNIT_EXPECT_EQ(test, stats.largest, 2 * SZ_16M + SZ_128K);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, 2 * SZ_16M + SZ_256K,
						   PAGE_SIZE, &offset));
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 2 * SZ_16M + SZ_128K,
						  PAGE_SIZE, &offset));
	KUNIT_EXPECT_EQ(test, offset, SZ_16M - SZ_64K);
	p2pdma_pool_free(pool, offset, 2 * SZ_16M + SZ_128K);
	/* The same at a round offset */
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 2 * SZ_16M, SZ_16M,
						  &offset));
	KUNIT_EXPECT_EQ(test, offset, SZ_16M);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), SZ_128K);
	p2pdma_pool_free(pool, 0, SZ_16M - SZ_64K);
	p2pdma_pool_free(pool, SZ_16M, 2 * SZ_16M);
	p2pdma_pool_free(pool, 3 * SZ_16M + SZ_64K, SZ_16M - SZ_64K);
	KUNIT_EXPECT_TRUE(test, p2pdma_pool_alloc(pool, 4 * SZ_16M, PAGE_SIZE,
						  &offset));
	p2pdma_pool_free(pool, 0, 4 * SZ_16M);
}

/* It is the offset in the pool that is aligned, not the one in a region. */
static void pool_aligned(struct kunit *test)
{
	u64 size = 4 * SZ_16M, align, offset;
	struct p2pdma_pool *pool = make_pool(test, size >> PAGE_SHIFT);

	for (align = PAGE_SIZE; align <= size; align *= 2) {
		KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, PAGE_SIZE, align,
							  &offset));
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(offset, align));
		p2pdma_pool_free(pool, offset, PAGE_SIZE);
	}
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, PAGE_SIZE, size, &offset));
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, PAGE_SIZE, size / 2,
						  &offset));
	KUNIT_EXPECT_EQ(test, offset, size / 2);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, PAGE_SIZE, size / 2,
						   &offset));
	p2pdma_pool_free(pool, 0, PAGE_SIZE);
	p2pdma_pool_free(pool, size / 2, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), size);
}

static void pool_counts(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 512);
	struct p2pdma_pool_stats stats;
	u64 offset;

	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_2M, PAGE_SIZE, &offset));
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, 1, PAGE_SIZE, &offset));
	p2pdma_pool_free(pool, 0, SZ_64K);
	p2pdma_pool_free(pool, SZ_1M, SZ_128K + SZ_4K);
	p2pdma_pool_stats(pool, &stats);
	KUNIT_EXPECT_EQ(test, stats.free, SZ_128K + SZ_64K + SZ_4K);
	KUNIT_EXPECT_EQ(test, stats.largest, SZ_128K + SZ_4K);
	KUNIT_EXPECT_EQ(test, stats.allocs, 1);
	KUNIT_EXPECT_EQ(test, stats.failures, 1);
	p2pdma_pool_free(pool, SZ_64K, SZ_1M - SZ_64K);
	p2pdma_pool_free(pool, SZ_1M + SZ_128K + SZ_4K, SZ_1M - SZ_128K - SZ_4K);
	p2pdma_pool_stats(pool, &stats);
	KUNIT_EXPECT_EQ(test, stats.free, SZ_2M);
	KUNIT_EXPECT_EQ(test, stats.largest, SZ_2M);
}

/* Whichever way they are found: one of a size, one aligned, one over an end */
static void pool_counts_all(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 2 * SZ_16M >> PAGE_SHIFT);
	struct p2pdma_pool_stats stats;
	u64 offset;

	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_4K, PAGE_SIZE, &offset));
	p2pdma_pool_free(pool, offset, SZ_4K);
	p2pdma_pool_stats(pool, &stats);
	KUNIT_EXPECT_EQ(test, stats.allocs, 1);
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_4K, SZ_64K, &offset));
	p2pdma_pool_free(pool, offset, SZ_4K);
	p2pdma_pool_stats(pool, &stats);
	KUNIT_EXPECT_EQ(test, stats.allocs, 2);
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 2 * SZ_16M - SZ_4K,
						  PAGE_SIZE, &offset));
	p2pdma_pool_stats(pool, &stats);
	KUNIT_EXPECT_EQ(test, stats.allocs, 3);
	KUNIT_EXPECT_EQ(test, stats.free, SZ_4K);
	KUNIT_EXPECT_EQ(test, stats.failures, 0);
	p2pdma_pool_free(pool, offset, 2 * SZ_16M - SZ_4K);
}

/* Closed, it hands out nothing, and is done when the last page is back. */
static void pool_closed(struct kunit *test)
{
	u64 size = 4 * SZ_16M, offset;
	struct p2pdma_pool *pool = make_pool(test, size >> PAGE_SHIFT);

	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, size, PAGE_SIZE, &offset));
	p2pdma_pool_free(pool, 0, SZ_4K);
	p2pdma_pool_close(pool);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, 1, PAGE_SIZE, &offset));
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), SZ_4K);
	p2pdma_pool_free(pool, SZ_8K, size - SZ_8K);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_wait(pool, 1));
	p2pdma_pool_free(pool, SZ_4K, SZ_4K);
	KUNIT_EXPECT_TRUE(test, p2pdma_pool_wait(pool, 1));
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), size);
}

/* Nothing has to come back to a pool that is empty, or has become so. */
static void pool_closed_empty(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 4 * SZ_16M >> PAGE_SHIFT);
	u64 offset;

	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_64K, PAGE_SIZE, &offset));
	p2pdma_pool_free(pool, offset, SZ_64K);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_wait(pool, 1));
	p2pdma_pool_close(pool);
	KUNIT_EXPECT_TRUE(test, p2pdma_pool_wait(pool, 1));
}

/* ---- random sequences beside a model ---- */

#define PIECES		128

struct piece {
	u32 page, pages;
	u64 asked;		/* in bytes */
};

struct model {
	struct kunit *test;
	struct p2pdma_pool *pool;
	struct rnd_state rnd;
	unsigned long *used;	/* a bit per page */
	u32 pages;
	struct piece piece[PIECES];
	u32 pieces;
};

/* The longest free run: of fewer pieces than 256 no pool may miss it */
static u32 longest_run(struct model *m)
{
	unsigned int from, to, longest = 0;

	for_each_clear_bitrange(from, to, m->used, m->pages)
		longest = max(longest, to - from);
	return longest;
}

/* A free run of that power of two, aligned to its size: no pool may miss it */
static bool has_run(struct model *m, u32 pages)
{
	u32 at, run = roundup_pow_of_two(pages);

	for (at = 0; at + run <= m->pages; at += run)
		if (find_next_bit(m->used, at + run, at) >= at + run)
			return true;
	return false;
}

static void model_alloc(struct model *m)
{
	u32 limit = below(&m->rnd, 4) ? 16 : m->pages;
	struct piece *piece = &m->piece[m->pieces];
	struct kunit *test = m->test;
	u32 align = 1 << (below(&m->rnd, 4) ? 0 : below(&m->rnd, 8));
	u64 offset;

	if (m->pieces == PIECES)
		return;
	piece->pages = 1 + below(&m->rnd, min(limit, m->pages));
	piece->asked = (u64)piece->pages * PAGE_SIZE -
		       (below(&m->rnd, 2) ? below(&m->rnd, PAGE_SIZE) : 0);
	if (!p2pdma_pool_alloc(m->pool, piece->asked, align * PAGE_SIZE, &offset)) {
		KUNIT_ASSERT_FALSE(test, has_run(m, max(piece->pages, align)));
		if (align == 1)
			KUNIT_ASSERT_LT(test, longest_run(m), piece->pages);
		return;
	}
	KUNIT_ASSERT_TRUE(test, IS_ALIGNED(offset, align * PAGE_SIZE));
	piece->page = offset >> PAGE_SHIFT;
	KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(offset));
	KUNIT_ASSERT_LE(test, offset + piece->asked, m->pages * PAGE_SIZE);
	KUNIT_ASSERT_GE_MSG(test, find_next_bit(m->used, piece->page + piece->pages,
						piece->page),
			    piece->page + piece->pages, "handed out twice");
	bitmap_set(m->used, piece->page, piece->pages);
	m->pieces++;
}

static void model_free(struct model *m)
{
	struct piece *piece;
	u32 pages;

	if (!m->pieces)
		return;
	piece = &m->piece[below(&m->rnd, m->pieces)];
	if (piece->pages > 1 && below(&m->rnd, 2)) {
		/* The first pages of it only */
		pages = 1 + below(&m->rnd, piece->pages - 1);
		p2pdma_pool_free(m->pool, (u64)piece->page << PAGE_SHIFT,
				 (u64)pages << PAGE_SHIFT);
		bitmap_clear(m->used, piece->page, pages);
		piece->page += pages;
		piece->pages -= pages;
		piece->asked -= (u64)pages << PAGE_SHIFT;
		return;
	}
	p2pdma_pool_free(m->pool, (u64)piece->page << PAGE_SHIFT, piece->asked);
	bitmap_clear(m->used, piece->page, piece->pages);
	*piece = m->piece[--m->pieces];
}

static const u32 model_sizes[] = { 1, 7, 64, 512, 3000, 9000 };

static void describe_pages(const u32 *pages, char *text)
{
	snprintf(text, KUNIT_PARAM_DESC_SIZE, "%u_pages", *pages);
}

KUNIT_ARRAY_PARAM(model, model_sizes, describe_pages);

/* Now it fills, now it empties: the odds change every 256 steps. */
static void pool_random(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	u64 offset;
	u32 step;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->test = test;
	m->pages = *(const u32 *)test->param_value;
	m->pool = make_pool(test, m->pages);
	m->used = kunit_kcalloc(test, BITS_TO_LONGS(m->pages), sizeof(long),
				GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->used);
	seed_rnd(test, &m->rnd);

	for (step = 0; step < 20000; step++) {
		if (below(&m->rnd, 8) < (step & 256 ? 5 : 3))
			model_alloc(m);
		else
			model_free(m);
		if (step % 16)
			continue;
		KUNIT_ASSERT_EQ(test, p2pdma_pool_available(m->pool),
				(m->pages - bitmap_weight(m->used, m->pages)) * PAGE_SIZE);
	}
	while (m->pieces)
		model_free(m);
	KUNIT_EXPECT_TRUE_MSG(test, p2pdma_pool_alloc(m->pool, m->pages * PAGE_SIZE,
						      PAGE_SIZE, &offset), "something is lost");
	p2pdma_pool_free(m->pool, 0, m->pages * PAGE_SIZE);
}

/* ---- several at once ---- */

#define SHARED_PAGES	(4 * SZ_16M >> PAGE_SHIFT)
#define THREADS		4

static unsigned int rounds = 16000;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "how often each of several threads allocates");

static unsigned int period = 200;
module_param(period, uint, 0444);
MODULE_PARM_DESC(period, "microseconds from one interrupt of theirs to the next; no less than it takes");

/*
 * Everybody writes down in @owned what it was given, and finds out if somebody
 * else has been given the same.
 */
struct shared {
	struct p2pdma_pool *pool;
	u32 pages;
	DECLARE_BITMAP(owned, SHARED_PAGES);
	atomic_t twice, taken, in_irq, wrong;
	struct hrtimer timer;
	struct completion done;
	bool stop;
};

static void take_and_free(struct shared *s, u32 pages)
{
	u64 offset;
	u32 i;

	if (!p2pdma_pool_alloc(s->pool, pages * PAGE_SIZE, PAGE_SIZE, &offset))
		return;
	atomic_inc(&s->taken);
	for (i = 0; i < pages; i++)
		if (test_and_set_bit((offset >> PAGE_SHIFT) + i, s->owned))
			atomic_inc(&s->twice);
	for (i = 0; i < pages; i++)
		clear_bit((offset >> PAGE_SHIFT) + i, s->owned);
	if (pages & 1) {
		p2pdma_pool_free(s->pool, offset, pages * PAGE_SIZE);
		return;
	}
	for (i = 0; i < pages; i++)
		p2pdma_pool_free(s->pool, offset + i * PAGE_SIZE, PAGE_SIZE);
}

static int shared_thread(void *data)
{
	struct shared *s = data;
	struct rnd_state rnd;
	int i;

	prandom_seed_state(&rnd, get_random_u64());
	for (i = 0; i < rounds; i++) {
		/* Mostly little, as that meets others most often */
		take_and_free(s, 1 + below(&rnd, i % 4 ? 4 : min(s->pages / 3, 128U)));
		if (i % 64 == 0)
			cond_resched();
	}
	complete(&s->done);
	return 0;
}

/* Takes all locks, again and again, so that the others find theirs taken. */
static int shared_reader(void *data)
{
	struct p2pdma_pool_stats stats;
	struct shared *s = data;

	while (!READ_ONCE(s->stop)) {
		p2pdma_pool_stats(s->pool, &stats);
		if (stats.free > s->pages * PAGE_SIZE ||
		    stats.largest > stats.free ||
		    p2pdma_pool_available(s->pool) > s->pages * PAGE_SIZE)
			atomic_inc(&s->wrong);
		cond_resched();
	}
	complete(&s->done);
	return 0;
}

static enum hrtimer_restart shared_timer(struct hrtimer *timer)
{
	struct shared *s = container_of(timer, struct shared, timer);

	take_and_free(s, 1 + atomic_inc_return(&s->in_irq) % 8);
	if (READ_ONCE(s->stop))
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(period * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

static const u32 shared_sizes[] = { 256, SHARED_PAGES };

KUNIT_ARRAY_PARAM(shared, shared_sizes, describe_pages);

/*
 * Threads on all CPUs, and an interrupt that comes in between.  They share one
 * region, or have several to move on to.
 */
static void pool_shared(struct kunit *test)
{
	struct shared *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct task_struct *task[THREADS + 1];
	u64 offset;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->pages = *(const u32 *)test->param_value;
	s->pool = make_pool(test, s->pages);
	init_completion(&s->done);
	for (i = 0; i <= THREADS; i++) {
		task[i] = kthread_create(i < THREADS ? shared_thread :
					 shared_reader, s, "pool_test/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
		get_task_struct(task[i]);
	}
	hrtimer_init(&s->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	s->timer.function = shared_timer;
	hrtimer_start(&s->timer, ns_to_ktime(period * NSEC_PER_USEC), HRTIMER_MODE_REL);
	for (i = 0; i <= THREADS; i++)
		wake_up_process(task[i]);
	/* A thread that is stopped early may never have begun. */
	for (i = 0; i < THREADS; i++)
		wait_for_completion(&s->done);
	WRITE_ONCE(s->stop, true);
	wait_for_completion(&s->done);
	for (i = 0; i <= THREADS; i++)
		kthread_stop_put(task[i]);
	hrtimer_cancel(&s->timer);

	KUNIT_EXPECT_EQ(test, atomic_read(&s->twice), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s->wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&s->taken), THREADS * rounds / 16);
	KUNIT_EXPECT_GT(test, atomic_read(&s->in_irq), 0);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(s->pool),
			s->pages * PAGE_SIZE);
	KUNIT_ASSERT_TRUE_MSG(test, p2pdma_pool_alloc(s->pool, s->pages * PAGE_SIZE,
						      PAGE_SIZE, &offset), "something is lost");
	p2pdma_pool_free(s->pool, 0, s->pages * PAGE_SIZE);
}

static struct kunit_case pool_cases[] = {
	/* First, as it leaves the CPUs with other start regions. */
	KUNIT_CASE_PARAM(pool_shared, shared_gen_params),
	KUNIT_CASE(pool_whole),
	KUNIT_CASE(pool_too_much),
	KUNIT_CASE(pool_exact),
	KUNIT_CASE(pool_every_page),
	KUNIT_CASE(pool_back_in_parts),
	KUNIT_CASE(pool_holes),
	KUNIT_CASE(pool_shorter),
	KUNIT_CASE(pool_large),
	KUNIT_CASE(pool_over_ends),
	KUNIT_CASE(pool_aligned),
	KUNIT_CASE(pool_counts),
	KUNIT_CASE(pool_counts_all),
	KUNIT_CASE(pool_closed),
	KUNIT_CASE(pool_closed_empty),
	KUNIT_CASE_PARAM(pool_random, model_gen_params),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "p2pdma_pool",
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);

MODULE_DESCRIPTION("KUnit suite of the P2PDMA pool");
MODULE_LICENSE("GPL");
