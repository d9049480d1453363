// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of what the block layer and scatterlists join, and of whom they
 * ask first.
 *
 * Two providers register ranges that are neighbours in physical address space, as
 * BARs behind one bridge may be:
 *
 *	| provider 0          | provider 1          |
 *	  ...  before  last     first  ...
 *
 * There is nothing behind the addresses, and nothing looks at the memory.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bio-integrity.h>
#include <linux/blk-crypto.h>
#include <linux/blk-mq.h>
#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include <linux/cleanup.h>
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../../../../block/blk.h"
#include "../../../../block/elevator.h"
#include "../p2pdma.h"
#include "../peers.h"

#define RANGES	2

static struct {
	struct resource iomem;
	struct pci_dev *pdev;
	struct p2pdma_resource *res[RANGES];
	struct p2pdma_backing backing[RANGES];
	bool added[RANGES];
	struct page *before, *last, *first;	/* see above */
	struct page *ram;
} registered;

static int register_memory(int i, u64 size)
{
	struct p2pdma_resource *res;
	int error;

	res = kzalloc(sizeof(*res), GFP_KERNEL);
	if (!res)
		return -ENOMEM;
	res->pdev = registered.pdev;
	res->start = registered.iomem.start + i * size;
	res->size = size;
	registered.res[i] = res;
	error = p2pdma_pages_add(&registered.backing[i], res);
	registered.added[i] = !error;
	return error;
}

static void block_suite_exit(struct kunit_suite *suite)
{
	int i;

	for (i = 0; i < RANGES; i++) {
		if (registered.added[i])
			p2pdma_pages_remove(&registered.backing[i]);
		kfree(registered.res[i]);
	}
	if (registered.ram)
		__free_page(registered.ram);
	if (registered.iomem.parent)
		release_resource(&registered.iomem);
	kfree(registered.pdev);
	memset(&registered, 0, sizeof(registered));
}

static int block_suite_init(struct kunit_suite *suite)
{
	u64 size = memremap_compat_align();
	struct page *next;
	int error, i;

	registered.pdev = kzalloc(sizeof(*registered.pdev), GFP_KERNEL);
	registered.ram = alloc_page(GFP_KERNEL);
	if (!registered.pdev || !registered.ram)
		return -ENOMEM;
	set_dev_node(&registered.pdev->dev, NUMA_NO_NODE);
	registered.iomem.name = "p2pdma_block_test";
	registered.iomem.flags = IORESOURCE_MEM;
	error = allocate_resource(&iomem_resource, &registered.iomem, RANGES * size,
				  SZ_64G, mhp_get_pluggable_range(true).end,
				  size, NULL, NULL);
	for (i = 0; !error && i < RANGES; i++)
		error = register_memory(i, size);
	if (error)
		return error;
	next = pfn_to_page(PHYS_PFN(registered.res[1]->start));
	registered.first = next;
	registered.last = pfn_to_page(page_to_pfn(next) - 1);
	registered.before = pfn_to_page(page_to_pfn(next) - 2);
	return 0;
}

/* ---- what may be joined ---- */

static void bio_does_not_join_providers(struct kunit *test)
{
	struct bio_vec vecs[4];
	struct bio bio;

	bio_init(&bio, NULL, vecs, ARRAY_SIZE(vecs), REQ_OP_READ);
	KUNIT_ASSERT_EQ(test, bio_add_page(&bio, registered.before, PAGE_SIZE, 0),
			PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, bio_add_page(&bio, registered.last, PAGE_SIZE, 0),
			PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, bio.bi_vcnt, 1);
	KUNIT_ASSERT_EQ(test, bio_add_page(&bio, registered.first, PAGE_SIZE, 0),
			PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, bio.bi_vcnt, 2);
	KUNIT_EXPECT_PTR_EQ(test, vecs[1].bv_page, registered.first);
	bio_uninit(&bio);
}

static void segments_do_not_join_providers(struct kunit *test)
{
	struct request_queue *q = kunit_kzalloc(test, sizeof(*q), GFP_KERNEL);
	struct bio_vec a, b;

	KUNIT_ASSERT_NOT_NULL(test, q);
	q->limits.seg_boundary_mask = ULONG_MAX;
	bvec_set_page(&a, registered.before, PAGE_SIZE, 0);
	bvec_set_page(&b, registered.last, PAGE_SIZE, 0);
	KUNIT_EXPECT_TRUE(test, biovec_phys_mergeable(q, &a, &b));
	bvec_set_page(&a, registered.last, PAGE_SIZE, 0);
	bvec_set_page(&b, registered.first, PAGE_SIZE, 0);
	KUNIT_EXPECT_FALSE(test, biovec_phys_mergeable(q, &a, &b));
}

static void scatterlist_does_not_join_providers(struct kunit *test)
{
	struct page *pages[] = { registered.before, registered.last, registered.first };
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
 * several devices do.
 */
static void consent_of_the_queue_in_the_end(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct sink *incapable = sink_create(test, 0);
	struct bio *bio;

	bio = bio_alloc(willing->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, registered.first, PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, submit(bio), 0);
	KUNIT_EXPECT_EQ(test, willing->bios, 1);
	bio_put(bio);

	bio = bio_alloc(willing->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, registered.first, PAGE_SIZE, 0);
	bio_set_dev(bio, incapable->disk->part0);
	KUNIT_EXPECT_EQ(test, submit(bio), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, incapable->bios, 0);
	bio_put(bio);

	bio = bio_alloc(incapable->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, registered.ram, PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, submit(bio), 0);
	KUNIT_EXPECT_EQ(test, incapable->bios, 1);
	bio_put(bio);
}

static void clones_are_asked_for_too(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct sink *incapable = sink_create(test, 0);
	struct bio *bio, *clone;

	bio = bio_alloc(willing->disk->part0, 2, REQ_OP_WRITE, GFP_KERNEL);
	__bio_add_page(bio, registered.ram, PAGE_SIZE, 0);
	__bio_add_page(bio, registered.first, PAGE_SIZE, 0);
	clone = bio_alloc_clone(incapable->disk->part0, bio, GFP_KERNEL,
				&fs_bio_set);
	KUNIT_ASSERT_NOT_NULL(test, clone);
	KUNIT_EXPECT_EQ(test, submit(clone), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, incapable->bios, 0);
	bio_put(clone);
	bio_put(bio);
}

/* ---- what may be merged into one request ---- */

/* Which of registered.ram, .last and .first are in a bio, in this order */
static const struct content {
	const char *name;
	const char *pages;
	bool mixed;
} contents[] = {
	{ "ram", "rr", false },
	{ "provider", "bl", false },
	{ "one_page", "f", false },
	{ "ram_first", "rf", true },
	{ "ram_last", "fr", true },
	{ "ram_between", "lrl", true },
	{ "two_providers", "lf", true },
};

KUNIT_ARRAY_PARAM_DESC(content, contents, name);

static struct page *page_called(char letter)
{
	return letter == 'r' ? registered.ram : letter == 'b' ? registered.before :
	       letter == 'l' ? registered.last : registered.first;
}

static struct bio *bio_of(struct sink *sink, const char *pages)
{
	struct bio *bio = bio_alloc(sink->disk->part0, 4, REQ_OP_WRITE,
				    GFP_KERNEL);

	while (*pages)
		__bio_add_page(bio, page_called(*pages++), PAGE_SIZE, 0);
	return bio;
}

/* One page decides, whichever it is. */
static void mixed_bio_is_not_merged(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	const struct content *content = test->param_value;
	struct bio *bio = bio_of(willing, content->pages);

	KUNIT_EXPECT_EQ(test, submit(bio), 0);
	KUNIT_EXPECT_EQ(test, !!(willing->opf & REQ_NOMERGE), content->mixed);
	bio_put(bio);
}

static struct request *request_of(struct kunit *test, struct sink *sink,
				  struct bio *bio)
{
	struct request *rq = kunit_kzalloc(test, sizeof(*rq), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rq);
	rq->q = sink->disk->queue;
	rq->cmd_flags = bio->bi_opf;
	rq->bio = bio;
	rq->biotail = bio;
	rq->__sector = bio->bi_iter.bi_sector;
	rq->__data_len = bio->bi_iter.bi_size;
	rq->nr_phys_segments = 1;
	return rq;
}

static const struct {
	const char *first;
	const char *second;
	bool merged;
} meetings[] = {
	{ "r", "r", true },
	{ "l", "b", true },
	{ "f", "f", true },
	{ "l", "f", false },
	{ "f", "l", false },
	{ "r", "f", false },
	{ "f", "r", false },
};

/* One provider's memory, or none of it: for bios and for requests. */
static void requests_are_of_one_provider(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	static struct elevator_type nothing_to_tell;
	struct elevator_queue elevator = { .type = &nothing_to_tell };
	struct request_queue *q = willing->disk->queue;
	struct request *rq, *next;
	struct bio *a, *b;
	int i;

	for (i = 0; i < ARRAY_SIZE(meetings); i++) {
		a = bio_of(willing, meetings[i].first);
		b = bio_of(willing, meetings[i].second);
		b->bi_iter.bi_sector = PAGE_SECTORS;
		rq = request_of(test, willing, a);
		next = request_of(test, willing, b);
		KUNIT_EXPECT_EQ_MSG(test, blk_rq_merge_ok(rq, b),
				    meetings[i].merged, "bio %d", i);
		q->elevator = &elevator;
		KUNIT_EXPECT_EQ_MSG(test,
				    blk_attempt_req_merge(q, rq, next),
				    meetings[i].merged, "request %d", i);
		q->elevator = NULL;
		q->last_merge = NULL;
		bio_put(a);
		bio_put(b);
	}
}

/* ---- what the CPU would touch ---- */

static const struct protection {
	const char *name;
	enum blk_integrity_checksum csum;
	unsigned int flags;
	enum req_op op;
	bool refused;
} protections[] = {
	{ "write", BLK_INTEGRITY_CSUM_CRC, 0, REQ_OP_WRITE, true },
	{ "read", BLK_INTEGRITY_CSUM_CRC, 0, REQ_OP_READ, true },
	{ "crc64", BLK_INTEGRITY_CSUM_CRC64, 0, REQ_OP_WRITE, true },
	{ "write_not_generated", BLK_INTEGRITY_CSUM_CRC,
	  BLK_INTEGRITY_NOGENERATE, REQ_OP_WRITE, false },
	{ "read_though_not_generated", BLK_INTEGRITY_CSUM_CRC,
	  BLK_INTEGRITY_NOGENERATE, REQ_OP_READ, true },
	{ "read_not_verified", BLK_INTEGRITY_CSUM_CRC,
	  BLK_INTEGRITY_NOVERIFY, REQ_OP_READ, false },
	{ "write_though_not_verified", BLK_INTEGRITY_CSUM_CRC,
	  BLK_INTEGRITY_NOVERIFY, REQ_OP_WRITE, true },
	{ "write_without_checksum", BLK_INTEGRITY_CSUM_NONE, 0, REQ_OP_WRITE,
	  false },
	{ "read_without_checksum", BLK_INTEGRITY_CSUM_NONE, 0, REQ_OP_READ,
	  false },
};

KUNIT_ARRAY_PARAM_DESC(protection, protections, name);

/*
 * What becomes of a bio that blk-mq prepares, and of what it was given.  There
 * is no memory behind peer pages here: whoever reads them meets all ones.
 */
static int prepare(struct sink *sink, enum req_op op, struct page *page)
{
	DECLARE_COMPLETION_ONSTACK(completion);
	struct bio *bio = bio_alloc(sink->disk->part0, 1, op, GFP_KERNEL);
	int error;

	__bio_add_page(bio, page, PAGE_SIZE, 0);
	bio->bi_private = &completion;
	bio->bi_end_io = done;
	if (bio_integrity_prep(bio)) {
		/* Nothing that was read would pass: it is not to be verified. */
		if (op == REQ_OP_READ && page == registered.ram)
			bio->bi_status = BLK_STS_AGAIN;
		bio_endio(bio);
	}
	wait_for_completion(&completion);
	error = blk_status_to_errno(bio->bi_status);
	bio_put(bio);
	return error;
}

/*
 * Decided where it is decided whether the CPU computes protection information.
 */
static void protection_by_the_cpu_is_refused(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	const struct protection *p = test->param_value;
	struct blk_integrity *bi = &willing->disk->queue->limits.integrity;

	if (!IS_ENABLED(CONFIG_BLK_DEV_INTEGRITY))
		kunit_skip(test, "needs CONFIG_BLK_DEV_INTEGRITY");
	willing->disk->queue->limits.max_integrity_segments = 1;
	bi->csum_type = p->csum;
	bi->tuple_size = 16;
	bi->interval_exp = SECTOR_SHIFT;
	bi->flags = p->flags;
	KUNIT_EXPECT_EQ(test, prepare(willing, p->op, registered.first),
			p->refused ? -EREMOTEIO : 0);
	KUNIT_EXPECT_NE(test, prepare(willing, p->op, registered.ram), -EREMOTEIO);
}

#ifdef CONFIG_BLK_INLINE_ENCRYPTION_FALLBACK
static int submit_encrypted(struct sink *sink, enum req_op op,
			    struct page *page, const struct blk_crypto_key *key)
{
	const u64 dun[BLK_CRYPTO_DUN_ARRAY_SIZE] = { 1 };
	struct bio *bio = bio_alloc(sink->disk->part0, 1, op, GFP_KERNEL);
	int error;

	__bio_add_page(bio, page, PAGE_SIZE, 0);
	if (key)
		bio_crypt_set_ctx(bio, key, dun, GFP_KERNEL);
	sink->bios = 0;
	error = submit(bio);
	bio_put(bio);
	return error;
}

/* A drive that does not encrypt by itself: the CPU does, for RAM. */
static void encryption_by_the_cpu_is_refused(struct kunit *test)
{
	static const u8 raw[BLK_CRYPTO_MAX_KEY_SIZE] = { 1, 2, 3 };
	static const enum req_op ops[] = { REQ_OP_WRITE, REQ_OP_READ };
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct block_device *bdev = willing->disk->part0;
	struct blk_crypto_key *key;
	int i;

	key = kunit_kzalloc(test, sizeof(*key), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, key);
	KUNIT_ASSERT_EQ(test, 0,
			blk_crypto_init_key(key, raw,
					    BLK_ENCRYPTION_MODE_AES_256_XTS,
					    sizeof(u64), SECTOR_SIZE));
	KUNIT_ASSERT_EQ(test, 0, blk_crypto_start_using_key(bdev, key));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		KUNIT_EXPECT_EQ(test, -EREMOTEIO,
				submit_encrypted(willing, ops[i], registered.first, key));
		KUNIT_EXPECT_EQ(test, willing->bios, 0);
		KUNIT_EXPECT_EQ(test, 0,
				submit_encrypted(willing, ops[i], registered.ram, key));
		KUNIT_EXPECT_EQ(test, willing->bios, 1);
		KUNIT_EXPECT_EQ(test, 0,
				submit_encrypted(willing, ops[i], registered.first, NULL));
		KUNIT_EXPECT_EQ(test, willing->bios, 1);
	}
	blk_crypto_evict_key(bdev, key);
}
#else
static void encryption_by_the_cpu_is_refused(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_BLK_INLINE_ENCRYPTION_FALLBACK");
}
#endif

/* Kernel code that hands over a pointer into p2pmem */
static void kernel_pointers_are_asked_for(struct kunit *test)
{
	struct sink *willing = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct sink *incapable = sink_create(test, 0);
	struct request rq = { .cmd_flags = REQ_OP_DRV_IN };
	void *peer = page_address(registered.first);
	void *ram = page_address(registered.ram);

	rq.q = incapable->disk->queue;
	KUNIT_EXPECT_EQ(test, -EREMOTEIO,
			blk_rq_map_kern(rq.q, &rq, peer, SZ_512, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, rq.bio);
	KUNIT_EXPECT_EQ(test, 0, blk_rq_map_kern(rq.q, &rq, ram, SZ_512,
						 GFP_KERNEL));
	bio_endio(rq.bio);

	rq.q = willing->disk->queue;
	rq.bio = NULL;
	/* The CPU would copy it. */
	KUNIT_EXPECT_EQ(test, -EREMOTEIO,
			blk_rq_map_kern(rq.q, &rq, peer + 1, SZ_512, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, 0, blk_rq_map_kern(rq.q, &rq, peer, SZ_512,
						 GFP_KERNEL));
	KUNIT_ASSERT_NOT_NULL(test, rq.bio);
	KUNIT_EXPECT_TRUE(test, bio_has_peer_memory(rq.bio));
	bio_endio(rq.bio);
}

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

/* ---- who reaches it ---- */

/* A sink whose data a PCI function moves, which there is nowhere */
static struct {
	struct pci_dev *pdev;
	unsigned int queries;
} mover;

static bool mover_dma_query(struct gendisk *disk, struct blk_dma_query *query)
{
	mover.queries++;
	return query->ask(query, &mover.pdev->dev);
}

static const struct block_device_operations mover_fops = {
	.submit_bio = sink_submit_bio,
	.dma_query = mover_dma_query,
};

/* What is below a disk that passes queries on */
static struct sink *below;

static bool upper_dma_query(struct gendisk *disk, struct blk_dma_query *query)
{
	return bdev_dma_query(below->disk->part0, query);
}

static const struct block_device_operations upper_fops = {
	.submit_bio = sink_submit_bio,
	.dma_query = upper_dma_query,
};

/* It reaches the memory of provider 0, and may read that of provider 1. */
static struct p2pdma_verdict mover_walk(const struct p2pdma_resource *res,
					struct pci_dev *client)
{
	struct p2pdma_verdict verdict = {
		.map[P2PDMA_READ] = PCI_P2PDMA_MAP_BUS_ADDR,
		.map[P2PDMA_WRITE] = PCI_P2PDMA_MAP_NOT_SUPPORTED,
	};

	if (res == registered.res[0])
		verdict.map[P2PDMA_WRITE] = PCI_P2PDMA_MAP_BUS_ADDR;
	return verdict;
}

/* Queries of the device, which end with whether it reaches all of the pages */
static void expect_reached(struct kunit *test, struct sink *sink,
			   enum req_op op, const char *pages, bool reached,
			   unsigned int queries)
{
	struct bio *bio = bio_of(sink, pages);

	bio->bi_opf = op;
	mover.queries = 0;
	KUNIT_EXPECT_EQ_MSG(test, reached,
			    bdev_reaches_peer_memory(sink->disk->part0, bio),
			    "%s %s", pages, blk_op_str(op));
	KUNIT_EXPECT_EQ_MSG(test, mover.queries, queries, "%s %s", pages,
			    blk_op_str(op));
	bio_put(bio);
}

/* For each provider of a bio, and once, in the direction that data move */
static void devices_are_asked_for_routes(struct kunit *test)
{
	struct sink *incapable = sink_create(test, 0);
	struct sink *sink = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct sink *upper = sink_create(test, BLK_FEAT_PCI_P2PDMA);

	mover.pdev = kunit_kzalloc(test, sizeof(*mover.pdev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mover.pdev);
	mover.pdev->dev.bus = &pci_bus_type;
	mover.pdev->dma_mask = U64_MAX;
	mover.pdev->dev.dma_mask = &mover.pdev->dma_mask;
	kunit_activate_static_stub(test, p2pdma_peer_walk, mover_walk);

	expect_reached(test, sink, REQ_OP_WRITE, "l", false, 0);
	sink->disk->fops = &mover_fops;
	incapable->disk->fops = &mover_fops;
	expect_reached(test, sink, REQ_OP_WRITE, "r", true, 0);
	expect_reached(test, sink, REQ_OP_WRITE, "lrl", true, 1);
	expect_reached(test, sink, REQ_OP_READ, "bl", true, 1);
	expect_reached(test, sink, REQ_OP_WRITE, "lf", true, 2);
	expect_reached(test, sink, REQ_OP_READ, "lf", false, 2);
	expect_reached(test, sink, REQ_OP_READ, "rf", false, 1);
	expect_reached(test, incapable, REQ_OP_WRITE, "l", false, 0);

	upper->disk->fops = &upper_fops;
	below = sink;
	expect_reached(test, upper, REQ_OP_WRITE, "l", true, 1);
	below = incapable;
	expect_reached(test, upper, REQ_OP_WRITE, "l", false, 0);
	kunit_deactivate_static_stub(test, p2pdma_peer_walk);
}

/* A queue refuses what is left of a bio that had peer memory, be it RAM alone. */
static void what_is_left_of_a_bio_is_asked_for(struct kunit *test)
{
	struct sink *incapable = sink_create(test, 0);
	struct sink *sink = sink_create(test, BLK_FEAT_PCI_P2PDMA);
	struct bio *bio = bio_of(sink, "lr");

	mover.pdev = NULL;
	sink->disk->fops = &mover_fops;
	incapable->disk->fops = &mover_fops;
	bio->bi_opf = REQ_OP_WRITE;
	bio_advance(bio, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, bdev_reaches_peer_memory(sink->disk->part0, bio));
	KUNIT_EXPECT_FALSE(test, bdev_reaches_peer_memory(incapable->disk->part0, bio));
	bio_put(bio);
}

/* Each page is looked at. */
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
	KUNIT_EXPECT_EQ(test, bio_integrity_add_page(bio, registered.first, 8, 0), 0);
	KUNIT_EXPECT_EQ(test, bio_integrity_add_page(bio, registered.ram, 8, 0), 8);
	KUNIT_EXPECT_EQ(test, bio_integrity_add_page(bio, registered.first, 8, 0), 0);
	KUNIT_EXPECT_EQ(test, bip->bip_vcnt, 1);
	bio_put(bio);
}

static struct kunit_case block_cases[] = {
	KUNIT_CASE(bio_does_not_join_providers),
	KUNIT_CASE(segments_do_not_join_providers),
	KUNIT_CASE(scatterlist_does_not_join_providers),
	KUNIT_CASE(consent_of_the_queue_in_the_end),
	KUNIT_CASE(clones_are_asked_for_too),
	KUNIT_CASE_PARAM(mixed_bio_is_not_merged, content_gen_params),
	KUNIT_CASE(requests_are_of_one_provider),
	KUNIT_CASE_PARAM(protection_by_the_cpu_is_refused, protection_gen_params),
	KUNIT_CASE(encryption_by_the_cpu_is_refused),
	KUNIT_CASE(kernel_pointers_are_asked_for),
	KUNIT_CASE(stacked_queue_asks_each_member),
	KUNIT_CASE(devices_are_asked_for_routes),
	KUNIT_CASE(what_is_left_of_a_bio_is_asked_for),
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
