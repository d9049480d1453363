// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of odd arguments to the calls for range lists and block devices:
 * see arguments_test.c.
 */
#include <kunit/test.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/rlist.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "arguments.h"

static phys_addr_t phys_of(const void *addr)
{
	return page_to_phys(virt_to_page(addr)) + offset_in_page(addr);
}

/* What a list has after something was added, or the error */
static s64 has(struct rlist *list, int error)
{
	s64 bytes = rlist_bytes(list);

	rlist_free(list);
	return error ?: bytes;
}

/* ---- filling ---- */

static s64 free_twice(struct odd_devices *d)
{
	struct rlist list;

	rlist_init(&list);
	rlist_free(&list);
	rlist_free(&list);
	return rlist_memory(&list);
}

static s64 reserve_all(struct odd_devices *d)
{
	struct rlist list;

	rlist_init(&list);
	rlist_reserve(&list, UINT_MAX);
	return has(&list, rlist_add_phys(&list, phys_of(d->ram), PAGE_SIZE,
					 NULL, GFP_KERNEL));
}

static s64 reserve_none(struct odd_devices *d)
{
	struct rlist list;

	rlist_init(&list);
	rlist_reserve(&list, 0);
	return has(&list, rlist_add_phys(&list, phys_of(d->ram), PAGE_SIZE,
					 NULL, GFP_KERNEL));
}

static s64 add_empty(struct odd_devices *d)
{
	struct rlist list, empty;
	struct rlist_cpu cpu;

	rlist_init(&list);
	rlist_init(&empty);
	rlist_cpu_list(&cpu, &empty);
	return has(&list, rlist_add(&list, &cpu, GFP_KERNEL));
}

static s64 adds_pages(struct odd_devices *d, unsigned int offset, u64 len)
{
	struct page *pages[] = { virt_to_page(d->ram), virt_to_page(d->mine) };
	struct rlist list;

	rlist_init(&list);
	return has(&list, rlist_add_pages(&list, pages, offset, len,
					  GFP_KERNEL));
}

static s64 pages_no_length(struct odd_devices *d)
{
	return adds_pages(d, 0, 0);
}

static s64 pages_offset_no_length(struct odd_devices *d)
{
	return adds_pages(d, 5, 0);
}

static s64 pages_last_byte(struct odd_devices *d)
{
	return adds_pages(d, PAGE_SIZE - 1, 2);
}

static s64 pages_offset_page(struct odd_devices *d)
{
	return adds_pages(d, PAGE_SIZE, PAGE_SIZE);
}

static s64 pages_offset_wraps(struct odd_devices *d)
{
	return adds_pages(d, UINT_MAX, PAGE_SIZE);
}

static s64 adds(phys_addr_t start, u64 len, struct pci_dev *provider)
{
	struct rlist list;

	rlist_init(&list);
	return has(&list, rlist_add_phys(&list, start, len, provider,
					 GFP_KERNEL));
}

static s64 phys_no_length(struct odd_devices *d)
{
	return adds(phys_of(d->ram), 0, NULL);
}

static s64 phys_wraps(struct odd_devices *d)
{
	return adds(phys_of(d->ram), -phys_of(d->ram) + 1, NULL);
}

static s64 phys_largest(struct odd_devices *d)
{
	return adds(0, U64_MAX, NULL);
}

static s64 phys_nothing_there(struct odd_devices *d)
{
	return adds(PHYS_ADDR_MAX - 4 * PAGE_SIZE + 1, PAGE_SIZE, NULL);
}

static s64 phys_peer_as_ram(struct odd_devices *d)
{
	return adds(phys_of(d->mine), PAGE_SIZE, NULL);
}

static s64 phys_ram_as_peer(struct odd_devices *d)
{
	return adds(phys_of(d->ram), PAGE_SIZE, d->provider);
}

static s64 phys_of_other(struct odd_devices *d)
{
	return adds(phys_of(d->mine), PAGE_SIZE, d->other);
}

static s64 phys_of_none(struct odd_devices *d)
{
	return adds(phys_of(d->mine), PAGE_SIZE, d->plain);
}

static s64 phys_of_gone(struct odd_devices *d)
{
	return adds(phys_of(d->mine), PAGE_SIZE, d->gone);
}

static s64 phys_behind(struct odd_devices *d)
{
	return adds(phys_of(d->first), SZ_2M + 1, d->provider);
}

static s64 pin_no_length(struct odd_devices *d)
{
	struct rlist list;

	rlist_init(&list);
	return has(&list, pin_user_pages_rlist(PAGE_SIZE, 0, FOLL_WRITE, &list));
}

static s64 pin_wraps(struct odd_devices *d)
{
	struct rlist list;

	rlist_init(&list);
	return has(&list, pin_user_pages_rlist(PAGE_SIZE, SIZE_MAX, FOLL_WRITE,
					       &list));
}

static s64 unpin_empty(struct odd_devices *d)
{
	struct rlist list;

	rlist_init(&list);
	unpin_user_pages_rlist(&list, true);
	return rlist_memory(&list);
}

/* ---- walks ---- */

/* Ranges that there are, also when asked once more at the end */
static s64 walk(const struct rlist_cpu *cpu)
{
	struct rlist_range range;
	struct rlist_iter it;
	s64 count = 0;

	rlist_begin(&it, cpu);
	while (rlist_next(&it, &range))
		count++;
	return rlist_intact(cpu, 0) ? count : -1;
}

static s64 walk_empty(struct odd_devices *d)
{
	struct rlist_cpu cpu;
	struct rlist list;

	rlist_init(&list);
	rlist_cpu_list(&cpu, &list);
	return walk(&cpu);
}

static s64 walk_no_pages(struct odd_devices *d)
{
	struct rlist_cpu cpu;

	rlist_cpu_pages(&cpu, NULL, 0, 0);
	return walk(&cpu);
}

static s64 walk_no_bvec(struct odd_devices *d)
{
	struct rlist_cpu cpu;

	rlist_cpu_bvec(&cpu, NULL, (struct bvec_iter){});
	return walk(&cpu);
}

static s64 walk_no_sg(struct odd_devices *d)
{
	struct rlist_cpu cpu;

	rlist_cpu_sg(&cpu, NULL, 0);
	return walk(&cpu);
}

/* The second was never filled in. */
static s64 walk_sg_no_length(struct odd_devices *d)
{
	struct scatterlist sg[2];
	struct rlist_cpu cpu;

	sg_init_table(sg, 2);
	sg_set_buf(&sg[0], d->ram, 1);
	rlist_cpu_sg(&cpu, sg, 2);
	return walk(&cpu);
}

static s64 walk_no_phys(struct odd_devices *d)
{
	struct rlist_cpu cpu;

	return rlist_cpu_phys(&cpu, NULL, 0, d->provider) ?: walk(&cpu);
}

/* ---- mapping ---- */

static s64 maps(struct device *dev, const struct rlist_cpu *cpu)
{
	struct rlist_dma dma;
	int error;

	error = dma_map_rlist(dev, cpu, &dma, DMA_TO_DEVICE, 0, GFP_KERNEL);
	if (!error)
		dma_unmap_rlist(dev, &dma);
	return error;
}

static s64 map_empty(struct odd_devices *d)
{
	struct rlist_cpu cpu;
	struct rlist list;

	rlist_init(&list);
	rlist_cpu_list(&cpu, &list);
	return maps(&d->plain->dev, &cpu);
}

static s64 map_no_sg(struct odd_devices *d)
{
	struct rlist_cpu cpu;

	rlist_cpu_sg(&cpu, NULL, 0);
	return maps(&d->plain->dev, &cpu);
}

static s64 map_peer(struct odd_devices *d, struct device *dev)
{
	struct page *page = virt_to_page(d->mine);
	struct rlist_cpu cpu;

	rlist_cpu_pages(&cpu, &page, 0, PAGE_SIZE);
	return maps(dev, &cpu);
}

static s64 map_for_gone(struct odd_devices *d)
{
	return map_peer(d, &d->gone->dev);
}

static s64 map_for_nowhere(struct odd_devices *d)
{
	u64 mask = DMA_BIT_MASK(64);
	s64 error;

	d->nowhere->dma_mask = &mask;
	error = map_peer(d, d->nowhere);
	d->nowhere->dma_mask = NULL;
	return error;
}

/* Maps a page of peer memory, and asks @ask about it. */
static s64 mapped(struct odd_devices *d, s64 (*ask)(const struct rlist_dma *dma))
{
	struct page *page = virt_to_page(d->mine);
	struct device *dev = &d->plain->dev;
	struct rlist_cpu cpu;
	struct rlist_dma dma;
	s64 answer;
	int error;

	rlist_cpu_pages(&cpu, &page, 0, PAGE_SIZE);
	error = dma_map_rlist(dev, &cpu, &dma, DMA_FROM_DEVICE, 0, GFP_KERNEL);
	if (error)
		return error;
	dma_sync_rlist_for_cpu(dev, &dma);
	dma_sync_rlist_for_device(dev, &dma);
	answer = ask(&dma);
	dma_unmap_rlist(dev, &dma);
	/* There is nothing left to do that for. */
	dma_sync_rlist_for_cpu(dev, &dma);
	dma_sync_rlist_for_device(dev, &dma);
	return answer;
}

static s64 ask_no_sizes(const struct rlist_dma *dma)
{
	return rlist_dma_block_shift(dma, 0);
}

static s64 shift_no_sizes(struct odd_devices *d)
{
	return mapped(d, ask_no_sizes);
}

static s64 ask_blocks(const struct rlist_dma *dma, unsigned int shift,
		      unsigned long count)
{
	struct rlist_dma_iter it;
	dma_addr_t addr;

	rlist_dma_begin(&it, dma);
	return rlist_dma_blocks(&it, shift, &addr, count);
}

static s64 ask_error(const struct rlist_dma *dma)
{
	return ask_blocks(dma, rlist_dma_block_shift(dma, 0), 1);
}

static s64 blocks_of_an_error(struct odd_devices *d)
{
	return mapped(d, ask_error);
}

static s64 ask_no_count(const struct rlist_dma *dma)
{
	return ask_blocks(dma, PAGE_SHIFT, 0);
}

static s64 blocks_no_count(struct odd_devices *d)
{
	return mapped(d, ask_no_count);
}

/* No limit, and after the end once more */
static s64 ask_segments(const struct rlist_dma *dma)
{
	const struct rlist_dma_limits limits = { .max_len = 0, .boundary = -1 };
	struct rlist_dma_range range;
	struct rlist_dma_iter it;

	rlist_dma_begin(&it, dma);
	return rlist_dma_next_segment(&it, &limits, &range) &&
	       range.len == PAGE_SIZE &&
	       !rlist_dma_next_segment(&it, &limits, &range) &&
	       !rlist_dma_next(&it, &range);
}

static s64 segments_no_length(struct odd_devices *d)
{
	return mapped(d, ask_segments);
}

static s64 supported_nowhere(struct odd_devices *d)
{
	return dma_pci_p2pdma_supported(d->nowhere);
}

/* ---- block devices ---- */

/* Of a disk whose driver knows nothing, in a queue that takes what @features say */
static s64 asks(struct odd_devices *d, blk_features_t features,
		s64 (*ask)(struct odd_devices *d, struct block_device *bdev))
{
	static const struct block_device_operations no_ops = {};
	struct queue_limits lim = { .features = features };
	struct gendisk *disk;
	s64 answer;

	disk = blk_alloc_disk(&lim, NUMA_NO_NODE);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk->fops = &no_ops;
	answer = ask(d, disk->part0);
	put_disk(disk);
	return answer;
}

static bool never(struct blk_dma_query *query, struct device *dev)
{
	return false;
}

static s64 ask_query(struct odd_devices *d, struct block_device *bdev)
{
	struct blk_dma_query query = { .ask = never };

	return bdev_dma_query(bdev, &query);
}

static s64 query_unknown(struct odd_devices *d)
{
	return asks(d, BLK_FEAT_PCI_P2PDMA, ask_query);
}

static s64 ask_reaches(struct block_device *bdev, const void *addr)
{
	struct bio_vec bvec;
	struct bio bio;
	s64 answer;

	bio_init(&bio, bdev, &bvec, 1, REQ_OP_READ);
	if (addr)
		__bio_add_page(&bio, virt_to_page(addr), PAGE_SIZE, 0);
	answer = bdev_reaches_peer_memory(bdev, &bio);
	bio_uninit(&bio);
	return answer;
}

static s64 ask_no_data(struct odd_devices *d, struct block_device *bdev)
{
	return ask_reaches(bdev, NULL);
}

static s64 ask_ram(struct odd_devices *d, struct block_device *bdev)
{
	return ask_reaches(bdev, d->ram);
}

static s64 ask_peer(struct odd_devices *d, struct block_device *bdev)
{
	return ask_reaches(bdev, d->mine);
}

static s64 reaches_no_data(struct odd_devices *d)
{
	return asks(d, BLK_FEAT_PCI_P2PDMA, ask_no_data);
}

static s64 reaches_no_data_incapable(struct odd_devices *d)
{
	return asks(d, 0, ask_no_data);
}

static s64 reaches_ram(struct odd_devices *d)
{
	return asks(d, BLK_FEAT_PCI_P2PDMA, ask_ram);
}

static s64 reaches_unknown(struct odd_devices *d)
{
	return asks(d, BLK_FEAT_PCI_P2PDMA, ask_peer);
}

static s64 ask_refuse(struct odd_devices *d, struct block_device *bdev)
{
	struct bio bio;
	s64 answer;

	bio_init(&bio, bdev, NULL, 0, REQ_OP_FLUSH);
	answer = blk_status_to_errno(bio_refuse_peer_memory(&bio, ""));
	bio_uninit(&bio);
	return answer;
}

static s64 refuse_no_data(struct odd_devices *d)
{
	return asks(d, 0, ask_refuse);
}

/* ---- the table ---- */

static const struct odd list_odds[] = {
	{ "free_twice", free_twice, NEW, 0 },
	{ "reserve_all", reserve_all, NEW, PAGE_SIZE },
	{ "reserve_none", reserve_none, NEW, PAGE_SIZE },
	{ "add_empty", add_empty, NEW, 0 },
	{ "pages_no_length", pages_no_length, NEW, 0 },
	{ "pages_offset_no_length", pages_offset_no_length, NEW, 0 },
	{ "pages_last_byte", pages_last_byte, NEW, 2 },
	{ "pages_offset_page", pages_offset_page, NEW, -EINVAL },
	{ "pages_offset_wraps", pages_offset_wraps, NEW, -EINVAL },
	{ "phys_no_length", phys_no_length, NEW, -EINVAL },
	{ "phys_wraps", phys_wraps, NEW, -EINVAL },
	{ "phys_largest", phys_largest, NEW, -EINVAL },
	{ "phys_nothing_there", phys_nothing_there, NEW, -EINVAL },
	{ "phys_peer_as_ram", phys_peer_as_ram, NEW, -EINVAL },
	{ "phys_ram_as_peer", phys_ram_as_peer, NEW, -EINVAL },
	{ "phys_of_other", phys_of_other, NEW, -EINVAL },
	{ "phys_of_none", phys_of_none, NEW, -EINVAL },
	{ "phys_of_gone", phys_of_gone, NEW, -EINVAL },
	{ "phys_behind", phys_behind, NEW, -EINVAL },
	{ "pin_no_length", pin_no_length, NEW, -EINVAL },
	{ "pin_wraps", pin_wraps, NEW, -EINVAL },
	{ "unpin_empty", unpin_empty, NEW, 0 },

	{ "walk_empty", walk_empty, NEW, 0 },
	{ "walk_no_pages", walk_no_pages, NEW, 0 },
	{ "walk_no_bvec", walk_no_bvec, NEW, 0 },
	{ "walk_no_sg", walk_no_sg, NEW, 0 },
	{ "walk_sg_no_length", walk_sg_no_length, NEW, 1 },
	{ "walk_no_phys", walk_no_phys, NEW, 0 },

	{ "map_empty", map_empty, NEW, -EINVAL },
	{ "map_no_sg", map_no_sg, NEW, -EINVAL },
	{ "map_for_gone", map_for_gone, NEW, -EREMOTEIO },
	{ "map_for_nowhere", map_for_nowhere, NEW, -EREMOTEIO },
	{ "shift_no_sizes", shift_no_sizes, NEW, -EINVAL },
	{ "blocks_of_an_error", blocks_of_an_error, NEW, -EINVAL },
	{ "blocks_no_count", blocks_no_count, NEW, 0 },
	{ "segments_no_length", segments_no_length, NEW, 1 },
	{ "supported_nowhere", supported_nowhere, NEW, 1 },

	{ "query_unknown", query_unknown, NEW, 0 },
	{ "reaches_no_data", reaches_no_data, NEW, 1 },
	{ "reaches_no_data_incapable", reaches_no_data_incapable, NEW, 0 },
	{ "reaches_ram", reaches_ram, NEW, 1 },
	{ "reaches_unknown", reaches_unknown, NEW, 0 },
	{ "refuse_no_data", refuse_no_data, NEW, -EREMOTEIO },
};

KUNIT_ARRAY_PARAM_DESC(list_odd, list_odds, name);

static void arguments_lists_odd(struct kunit *test)
{
	odd_try(test, test->param_value);
}

static struct kunit_case arguments_lists_cases[] = {
	KUNIT_CASE_PARAM(arguments_lists_odd, list_odd_gen_params),
	{}
};

static struct kunit_suite arguments_lists_suite = {
	.name = "p2pdma_arguments_lists",
	.test_cases = arguments_lists_cases,
};

kunit_test_suite(arguments_lists_suite);

MODULE_DESCRIPTION("KUnit suite of odd arguments of range lists and block devices");
MODULE_LICENSE("GPL");
