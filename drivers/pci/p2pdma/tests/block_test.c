// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of what the block layer and scatterlists join, and of whom they
 * ask first.
 *
 * Two providers lend ranges that are neighbours in physical address space, as
 * BARs behind one bridge may be:
 *
 *	| provider 0          | provider 1          |
 *	  ...  before  last     first  ...
 *
 * There is nothing behind the addresses, and nothing looks at the memory.
 */
#include <kunit/test.h>
#include <linux/bio-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/cleanup.h>
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../../../../block/blk.h"
#include "../p2pdma.h"

#define RANGES	2

static struct {
	struct resource res;
	struct pci_dev *pdev;
	struct p2pdma_provider *provider[RANGES];
	struct p2pdma_backing backing[RANGES];
	bool added[RANGES];
	struct page *before, *last, *first;	/* see above */
	struct page *ram;
} lent;

static int lend(int i, u64 size)
{
	struct p2pdma_provider *provider;
	int error;

	provider = kzalloc(sizeof(*provider), GFP_KERNEL);
	if (!provider)
		return -ENOMEM;
	provider->pdev = lent.pdev;
	provider->start = lent.res.start + i * size;
	provider->size = size;
	lent.provider[i] = provider;
	error = p2pdma_pages_add(&lent.backing[i], provider);
	lent.added[i] = !error;
	return error;
}

static void block_suite_exit(struct kunit_suite *suite)
{
	int i;

	for (i = 0; i < RANGES; i++) {
		if (lent.added[i])
			p2pdma_pages_remove(&lent.backing[i]);
		kfree(lent.provider[i]);
	}
	if (lent.ram)
		__free_page(lent.ram);
	if (lent.res.parent)
		release_resource(&lent.res);
	kfree(lent.pdev);
	memset(&lent, 0, sizeof(lent));
}

static int block_suite_init(struct kunit_suite *suite)
{
	u64 size = memremap_compat_align();
	struct page *next;
	int error, i;

	lent.pdev = kzalloc(sizeof(*lent.pdev), GFP_KERNEL);
	lent.ram = alloc_page(GFP_KERNEL);
	if (!lent.pdev || !lent.ram)
		return -ENOMEM;
	set_dev_node(&lent.pdev->dev, NUMA_NO_NODE);
	lent.res.name = "p2pdma_block_test";
	lent.res.flags = IORESOURCE_MEM;
	error = allocate_resource(&iomem_resource, &lent.res, RANGES * size,
				  SZ_64G, mhp_get_pluggable_range(true).end,
				  size, NULL, NULL);
	for (i = 0; !error && i < RANGES; i++)
		error = lend(i, size);
	if (error)
		return error;
	next = pfn_to_page(PHYS_PFN(lent.provider[1]->start));
	lent.first = next;
	lent.last = pfn_to_page(page_to_pfn(next) - 1);
	lent.before = pfn_to_page(page_to_pfn(next) - 2);
	return 0;
}

/* ---- what may be joined: fault 15 ---- */

/*
 * Mutation: zone_device_pages_have_same_pgmap() returning true joins pages of
 * two providers in the following three.
 */
static void bio_does_not_join_providers(struct kunit *test)
{
	struct bio_vec vecs[4];
	struct bio bio;

	bio_init(&bio, NULL, vecs, ARRAY_SIZE(vecs), REQ_OP_READ);
	KUNIT_ASSERT_EQ(test, bio_add_page(&bio, lent.before, PAGE_SIZE, 0),
			PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, bio_add_page(&bio, lent.last, PAGE_SIZE, 0),
			PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, bio.bi_vcnt, 1);
	KUNIT_ASSERT_EQ(test, bio_add_page(&bio, lent.first, PAGE_SIZE, 0),
			PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, bio.bi_vcnt, 2);
	KUNIT_EXPECT_PTR_EQ(test, vecs[1].bv_page, lent.first);
	bio_uninit(&bio);
}

static void segments_do_not_join_providers(struct kunit *test)
{
	struct request_queue *q = kunit_kzalloc(test, sizeof(*q), GFP_KERNEL);
	struct bio_vec a, b;

	KUNIT_ASSERT_NOT_NULL(test, q);
	q->limits.seg_boundary_mask = ULONG_MAX;
	bvec_set_page(&a, lent.before, PAGE_SIZE, 0);
	bvec_set_page(&b, lent.last, PAGE_SIZE, 0);
	KUNIT_EXPECT_TRUE(test, biovec_phys_mergeable(q, &a, &b));
	bvec_set_page(&a, lent.last, PAGE_SIZE, 0);
	bvec_set_page(&b, lent.first, PAGE_SIZE, 0);
	KUNIT_EXPECT_FALSE(test, biovec_phys_mergeable(q, &a, &b));
}

static void scatterlist_does_not_join_providers(struct kunit *test)
{
	struct page *pages[] = { lent.before, lent.last, lent.first };
	struct sg_append_table append = {};
	struct sg_table sgt;
	int error;

	error = sg_alloc_table_from_pages(&sgt, pages, ARRAY_SIZE(pages), 0,
					  ARRAY_SIZE(pages) * PAGE_SIZE,
					  GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, error, 0);
	KUNIT_EXPECT_EQ(test, sgt.orig_nents, 2);
	KUNIT_EXPECT_EQ(test, sgt.sgl->length, 2 * PAGE_SIZE);
	sg_free_table(&sgt);

	/* Nor does what is appended to a table that ends just before it */
	error = sg_alloc_append_table_from_pages(&append, pages, 2, 0,
						 2 * PAGE_SIZE, UINT_MAX, 1,
						 GFP_KERNEL);
	if (!error)
		error = sg_alloc_append_table_from_pages(&append, pages + 2, 1,
							 0, PAGE_SIZE, UINT_MAX,
							 0, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, error, 0);
	KUNIT_EXPECT_EQ(test, append.sgt.orig_nents, 2);
	sg_free_append_table(&append);
}

/* ---- who is asked ---- */

struct sink {
	struct gendisk *disk;
	unsigned int bios;
	blk_opf_t opf;
};

static void sink_submit_bio(struct bio *bio)
{
	struct sink *sink = bio->bi_bdev->bd_disk->private_data;

	sink->bios++;
	sink->opf = bio->bi_opf;
	bio_endio(bio);
}

static const struct block_device_operations sink_fops = {
	.submit_bio = sink_submit_bio,
};

static void sink_exit(void *data)
{
	put_disk(data);
}

/* A disk that nobody sees and that swallows bios */
static struct sink *sink_create(struct kunit *test, blk_features_t features)
{
	struct sink *sink = kunit_kzalloc(test, sizeof(*sink), GFP_KERNEL);
	struct queue_limits lim = { .features = features };

	KUNIT_ASSERT_NOT_NULL(test, sink);
	sink->disk = blk_alloc_disk(&lim, NUMA_NO_NODE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(sink->disk));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, sink_exit,
							   sink->disk));
	sink->disk->fops = &sink_fops;
	sink->disk->private_data = sink;
	bdev_set_flag(sink->disk->part0, BD_HAS_SUBMIT_BIO);
	set_capacity(sink->disk, SZ_1M >> SECTOR_SHIFT);
	return sink;
}

static void done(struct bio *bio)
{
	complete(bio->bi_private);
}

static int submit(struct bio *bio)
{
	DECLARE_COMPLETION_ONSTACK(completion);

	bio->bi_private = &completion;
	bio->bi_end_io = done;
	submit_bio(bio);
	wait_for_completion(&completion);
	return blk_status_to_errno(bio->bi_status);
}

/*
 * A bio is built for one queue and submitted to another, as file systems on
 * several devices do.  Mutations: no check in submit_bio_noacct(); no mark in
 * bio_append_bvec().
 */
static void consent_of_the_queue_in_the_end(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct sink *blind = sink_create(test, 0);
	struct bio *bio;

	bio = bio_alloc(willing->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, lent.first, PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, submit(bio), 0);
	KUNIT_EXPECT_EQ(test, willing->bios, 1);
	bio_put(bio);

	bio = bio_alloc(willing->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, lent.first, PAGE_SIZE, 0);
	bio_set_dev(bio, blind->disk->part0);
	KUNIT_EXPECT_EQ(test, submit(bio), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, blind->bios, 0);
	bio_put(bio);

	bio = bio_alloc(blind->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, lent.ram, PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, submit(bio), 0);
	KUNIT_EXPECT_EQ(test, blind->bios, 1);
	bio_put(bio);
}

/* Mutation: __bio_clone() without the flag. */
static void clones_are_asked_for_too(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct sink *blind = sink_create(test, 0);
	struct bio *bio, *clone;

	bio = bio_alloc(willing->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, lent.ram, PAGE_SIZE, 0);
	__bio_add_page(bio, lent.first, PAGE_SIZE, 0);
	clone = bio_alloc_clone(blind->disk->part0, bio, GFP_KERNEL,
				&fs_bio_set);
	KUNIT_ASSERT_NOT_NULL(test, clone);
	KUNIT_EXPECT_EQ(test, submit(clone), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, blind->bios, 0);
	bio_put(clone);
	bio_put(bio);
}

/*
 * Fault 18: one page decides, whichever it is.  Mutation: REQ_NOMERGE only for
 * bios that begin with peer memory.
 */
static void any_page_prevents_merging(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct bio *bio;

	bio = bio_alloc(willing->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, lent.ram, PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, submit(bio), 0);
	KUNIT_EXPECT_FALSE(test, willing->opf & REQ_NOMERGE);
	bio_put(bio);

	bio = bio_alloc(willing->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, lent.ram, PAGE_SIZE, 0);
	__bio_add_page(bio, lent.first, PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, submit(bio), 0);
	KUNIT_EXPECT_TRUE(test, willing->opf & REQ_NOMERGE);
	bio_put(bio);
}

/* Fault 17.  Mutation: blk_stack_limits() without the feature. */
static void stacked_queue_asks_each_member(struct kunit *test)
{
	struct queue_limits top = {}, with = {}, without = {};

	blk_set_stacking_limits(&top);
	blk_set_stacking_limits(&with);
	blk_set_stacking_limits(&without);
	with.features |= BLK_FEAT_PCI_P2PDMA;
	without.features &= ~BLK_FEAT_PCI_P2PDMA;

	top.features &= ~BLK_FEAT_PCI_P2PDMA;
	blk_stack_limits(&top, &with, 0);
	KUNIT_EXPECT_FALSE(test, top.features & BLK_FEAT_PCI_P2PDMA);

	top.features |= BLK_FEAT_PCI_P2PDMA;
	blk_stack_limits(&top, &with, 0);
	KUNIT_EXPECT_TRUE(test, top.features & BLK_FEAT_PCI_P2PDMA);
	blk_stack_limits(&top, &without, 0);
	KUNIT_EXPECT_FALSE(test, top.features & BLK_FEAT_PCI_P2PDMA);
	blk_stack_limits(&top, &with, 0);
	KUNIT_EXPECT_FALSE(test, top.features & BLK_FEAT_PCI_P2PDMA);
}

/*
 * Fault 16: each page is looked at.  Mutation: no check in
 * bio_integrity_add_page(), or one when bip_vcnt is 0.
 */
static void integrity_is_never_peer_memory(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct bio_integrity_payload *bip;
	struct bio *bio;

	if (!IS_ENABLED(CONFIG_BLK_DEV_INTEGRITY))
		kunit_skip(test, "needs CONFIG_BLK_DEV_INTEGRITY");
	willing->disk->queue->limits.max_integrity_segments = 4;
	bio = bio_alloc(willing->disk->part0, 1, REQ_OP_WRITE, GFP_KERNEL);
	bip = bio_integrity_alloc(bio, GFP_KERNEL, 4);
	KUNIT_ASSERT_FALSE(test, IS_ERR(bip));
	KUNIT_EXPECT_EQ(test, bio_integrity_add_page(bio, lent.first, 8, 0), 0);
	KUNIT_EXPECT_EQ(test, bio_integrity_add_page(bio, lent.ram, 8, 0), 8);
	KUNIT_EXPECT_EQ(test, bio_integrity_add_page(bio, lent.first, 8, 0), 0);
	KUNIT_EXPECT_EQ(test, bip->bip_vcnt, 1);
	bio_put(bio);
}

static struct kunit_case block_cases[] = {
	KUNIT_CASE(bio_does_not_join_providers),
	KUNIT_CASE(segments_do_not_join_providers),
	KUNIT_CASE(scatterlist_does_not_join_providers),
	KUNIT_CASE(consent_of_the_queue_in_the_end),
	KUNIT_CASE(clones_are_asked_for_too),
	KUNIT_CASE(any_page_prevents_merging),
	KUNIT_CASE(stacked_queue_asks_each_member),
	KUNIT_CASE(integrity_is_never_peer_memory),
	{ }
};

static struct kunit_suite block_suite = {
	.name = "p2pdma_block",
	.suite_init = block_suite_init,
	.suite_exit = block_suite_exit,
	.test_cases = block_cases,
};

kunit_test_suite(block_suite);

MODULE_DESCRIPTION("KUnit suite of P2PDMA in the block layer");
MODULE_LICENSE("GPL");
