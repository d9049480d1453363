// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of allocations that fail, see pool.c: a failure is cached as
 * long as it is true, and not after that.
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sizes.h>

#include "../pool.h"

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

static bool takes(struct p2pdma_pool *pool, u64 pages)
{
	u64 offset;

	return p2pdma_pool_alloc(pool, pages * PAGE_SIZE, PAGE_SIZE, &offset);
}

/* What fails once fails at a glance until something comes back that may do. */
static void pool_fails_once(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 512);

	KUNIT_ASSERT_TRUE(test, takes(pool, 512));
	KUNIT_EXPECT_EQ(test, pool->limit, SZ_2M);
	KUNIT_EXPECT_FALSE(test, takes(pool, 8));
	KUNIT_EXPECT_EQ(test, pool->limit, 7 * PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, takes(pool, 1));
	KUNIT_EXPECT_EQ(test, pool->limit, 0);

	/* Too little for most, and all there is for who wants no more */
	p2pdma_pool_free(pool, 100 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, takes(pool, 2));
	KUNIT_EXPECT_EQ(test, pool->limit, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, takes(pool, 3));
	KUNIT_EXPECT_EQ(test, pool->limit, PAGE_SIZE);
	p2pdma_pool_free(pool, 102 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pool->limit, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, takes(pool, 2));
	/* Three in a row now */
	p2pdma_pool_free(pool, 101 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pool->limit, SZ_2M);
	KUNIT_EXPECT_FALSE(test, takes(pool, 4));
	KUNIT_EXPECT_EQ(test, pool->limit, 3 * PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, takes(pool, 2));
	KUNIT_EXPECT_TRUE(test, takes(pool, 1));
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), 0);
	p2pdma_pool_free(pool, 0, SZ_2M);
	KUNIT_EXPECT_EQ(test, pool->limit, SZ_2M);
	KUNIT_EXPECT_TRUE(test, takes(pool, 512));
	p2pdma_pool_free(pool, 0, SZ_2M);
}

/* A failure says nothing of what is given back on both sides of an end. */
static void pool_fails_over_ends(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 4 * SZ_16M >> PAGE_SHIFT);
	u64 end, offset;

	KUNIT_ASSERT_TRUE(test, takes(pool, 4 * SZ_16M >> PAGE_SHIFT));
	for (end = SZ_16M; end < 4 * SZ_16M; end += SZ_16M) {
		p2pdma_pool_free(pool, end - SZ_4K, SZ_4K);
		KUNIT_EXPECT_FALSE(test, takes(pool, 2));
		p2pdma_pool_free(pool, end, SZ_4K);
		KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, SZ_8K, PAGE_SIZE,
							  &offset));
		KUNIT_EXPECT_EQ(test, offset, end - SZ_4K);
		/* And the other way round */
		p2pdma_pool_free(pool, end, SZ_4K);
		KUNIT_EXPECT_FALSE(test, takes(pool, 2));
		p2pdma_pool_free(pool, end - SZ_4K, SZ_4K);
		KUNIT_ASSERT_TRUE(test, takes(pool, 2));
		KUNIT_EXPECT_FALSE(test, takes(pool, 1));
	}
	/* One that fails for its alignment alone says nothing. */
	p2pdma_pool_free(pool, SZ_4K, SZ_8K);
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_alloc(pool, SZ_8K, SZ_8K, &offset));
	KUNIT_EXPECT_TRUE(test, takes(pool, 2));
	p2pdma_pool_free(pool, 0, 4 * SZ_16M);
}

/* What is used is counted right all the while, and a pool closed like any. */
static void pool_fails_and_closes(struct kunit *test)
{
	u64 size = 4 * SZ_16M;
	struct p2pdma_pool *pool = make_pool(test, size >> PAGE_SHIFT);
	struct p2pdma_pool_stats stats;

	KUNIT_ASSERT_TRUE(test, takes(pool, size >> PAGE_SHIFT));
	KUNIT_EXPECT_FALSE(test, takes(pool, 2));
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), 0);
	p2pdma_pool_free(pool, SZ_1M, SZ_4K);
	p2pdma_pool_stats(pool, &stats);
	KUNIT_EXPECT_EQ(test, stats.free, SZ_4K);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), SZ_4K);
	KUNIT_EXPECT_EQ(test, stats.failures, 1);
	p2pdma_pool_close(pool);
	KUNIT_EXPECT_FALSE(test, takes(pool, 1));
	KUNIT_EXPECT_FALSE(test, p2pdma_pool_wait(pool, 1));
	p2pdma_pool_free(pool, 0, SZ_1M);
	p2pdma_pool_free(pool, SZ_1M + SZ_4K, size - SZ_1M - SZ_4K);
	KUNIT_EXPECT_TRUE(test, p2pdma_pool_wait(pool, 1));
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(pool), size);
}

/*
 * 33 and 34 pages are one class.  Behind 256 pieces of 33 nobody looks for one of
 * 34; but a request does as soon as there are fewer, although none came back.
 */
static void pool_fails_behind_others(struct kunit *test)
{
	struct p2pdma_pool *pool = make_pool(test, 8 * 16384);
	const u64 pieces = 300;
	u64 offset, i;

	KUNIT_ASSERT_TRUE(test, takes(pool, 8 * 16384));
	p2pdma_pool_free(pool, PAGE_SIZE, 34 * PAGE_SIZE);
	for (i = 0; i < pieces; i++)
		p2pdma_pool_free(pool, (40 * i + 100) * PAGE_SIZE, 33 * PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, takes(pool, 34));
	KUNIT_EXPECT_FALSE(test, takes(pool, 35));
	KUNIT_EXPECT_EQ(test, pool->limit, 33 * PAGE_SIZE);
	for (i = 0; i < pieces - 256; i++)
		KUNIT_EXPECT_TRUE(test, takes(pool, 33));
	KUNIT_EXPECT_FALSE(test, takes(pool, 34));
	KUNIT_EXPECT_TRUE(test, takes(pool, 33));
	KUNIT_ASSERT_TRUE(test, p2pdma_pool_alloc(pool, 34 * PAGE_SIZE, PAGE_SIZE,
						  &offset));
	KUNIT_EXPECT_EQ(test, offset, PAGE_SIZE);
}

/* ---- one fails beside one that frees ---- */

#define BESIDE_PAGES	(4 * SZ_16M >> PAGE_SHIFT)

static unsigned int rounds = 2000;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "how often something comes back while others fail");

/*
 * All is taken but for what the test gives back: a pair of pages at a time.  One
 * thread waits for the pair and has to get it at the first try; others want more
 * than there ever is, and so have failures cached all the time.
 */
struct failing {
	struct p2pdma_pool *pool;
	u32 given;		/* number of pairs that came back */
	u32 taken;		/* and of those that somebody took */
	u64 at;			/* where the last one was */
	atomic_t wrong;
	atomic_t failed;
};

static int pair_thread(void *data)
{
	struct failing *f = data;
	u64 offset;
	u32 i;

	for (i = 1; !kthread_should_stop(); cond_resched()) {
		/* Pairs with give_pair(): what it has freed is seen */
		if (smp_load_acquire(&f->given) != i) {
			/* Now and then it fails itself meanwhile. */
			if (i % 4 == 0 && p2pdma_pool_alloc(f->pool, SZ_8K,
							    PAGE_SIZE, &offset))
				goto found;
			continue;
		}
		if (!p2pdma_pool_alloc(f->pool, SZ_8K, PAGE_SIZE, &offset)) {
			atomic_inc(&f->wrong);
			offset = READ_ONCE(f->at);
		}
found:
		if (offset != READ_ONCE(f->at))
			atomic_inc(&f->wrong);
		/* Pairs with give_pair(): nothing of this is after it */
		smp_store_release(&f->taken, i++);
	}
	return 0;
}

static int greedy_thread(void *data)
{
	struct failing *f = data;
	u32 pages = 3;
	u64 offset;

	while (!kthread_should_stop()) {
		pages = pages % 9 + 3;
		if (p2pdma_pool_alloc(f->pool, pages * PAGE_SIZE, PAGE_SIZE,
				      &offset))
			atomic_inc(&f->wrong);
		atomic_inc(&f->failed);
		cond_resched();
	}
	return 0;
}

static void give_pair(struct kunit *test, struct failing *f, u64 page, u32 i)
{
	WRITE_ONCE(f->at, page * PAGE_SIZE);
	if (i % 2) {
		p2pdma_pool_free(f->pool, page * PAGE_SIZE, SZ_8K);
	} else {
		p2pdma_pool_free(f->pool, page * PAGE_SIZE, SZ_4K);
		p2pdma_pool_free(f->pool, (page + 1) * PAGE_SIZE, SZ_4K);
	}
	/* Both pair with pair_thread() */
	smp_store_release(&f->given, i);
	while (smp_load_acquire(&f->taken) != i) /* see above */
		cond_resched();
}

static void pool_fails_beside_free(struct kunit *test)
{
	struct failing *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u32 end = SZ_16M >> PAGE_SHIFT, pages = BESIDE_PAGES, i, page;
	struct task_struct *task[3];
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, f);
	prandom_seed_state(&rnd, get_random_u64());
	f->pool = make_pool(test, pages);
	KUNIT_ASSERT_TRUE(test, takes(f->pool, pages));
	for (i = 0; i < ARRAY_SIZE(task); i++) {
		task[i] = kthread_run(i ? greedy_thread : pair_thread, f,
				      "pool_fail/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
		get_task_struct(task[i]);
	}
	for (i = 1; i <= rounds; i++) {
		/* Each third over the end of a region */
		page = i % 3 ? prandom_u32_state(&rnd) % (pages - 1) :
			       end * (1 + prandom_u32_state(&rnd) % 3) - 1;
		give_pair(test, f, page, i);
	}
	for (i = 0; i < ARRAY_SIZE(task); i++)
		kthread_stop_put(task[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&f->failed), 0);
	KUNIT_EXPECT_EQ(test, p2pdma_pool_available(f->pool), 0);
	p2pdma_pool_free(f->pool, 0, pages * PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, takes(f->pool, pages));
}

static struct kunit_case pool_fails_cases[] = {
	KUNIT_CASE(pool_fails_once),
	KUNIT_CASE(pool_fails_over_ends),
	KUNIT_CASE(pool_fails_and_closes),
	KUNIT_CASE(pool_fails_behind_others),
	KUNIT_CASE(pool_fails_beside_free),
	{}
};

static struct kunit_suite pool_fails_suite = {
	.name = "p2pdma_pool_fails",
	.test_cases = pool_fails_cases,
};

kunit_test_suite(pool_fails_suite);

MODULE_DESCRIPTION("KUnit suite of P2PDMA allocations that fail");
MODULE_LICENSE("GPL");
