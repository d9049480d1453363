// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of RDMA with peer memory: what rdma_rw_ctx_init() puts into the
 * work requests of a card that is a fabric device.  The card itself is made of
 * memory, as far as that function looks at it.
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>
#include <rdma/rw.h>

#include "fabric.h"
#include "provider.h"

#define PORT		1
#define REMOTE		0x7000
#define RKEY		0x77
#define MR_PAGES	16
#define REGIONS		3

/**
 * struct region - a memory region of a card
 * @mr: for the RDMA core
 * @pages: number of pages in it
 * @page: their DMA addresses
 */
struct region {
	struct ib_mr mr;
	unsigned int pages;
	u64 page[MR_PAGES];
};

/**
 * struct card - what rdma_rw_ctx_init() looks at
 * @ib: RDMA device
 * @port: its ports, of which number 0 is none
 * @pd: protection domain
 * @qp: queue pair
 * @region: memory regions, all that there are in the pool
 */
struct card {
	struct ib_device ib;
	struct ib_port_data port[PORT + 1];
	struct ib_pd pd;
	struct ib_qp qp;
	struct region region[REGIONS];
};

static int card_set_page(struct ib_mr *mr, u64 addr)
{
	struct region *region = container_of(mr, struct region, mr);

	if (region->pages == MR_PAGES)
		return -ENOMEM;
	region->page[region->pages++] = addr;
	return 0;
}

static int card_map_mr_sg(struct ib_mr *mr, struct scatterlist *sg, int nents,
			  unsigned int *offset)
{
	container_of(mr, struct region, mr)->pages = 0;
	return ib_sg_to_pages(mr, sg, nents, offset, card_set_page);
}

/* A card whose DMA @fn does; without it, the CPU */
static struct card *make_card(struct kunit *test, struct fabric_fn *fn)
{
	struct card *card = kunit_kzalloc(test, sizeof(*card), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, card);
	card->ib.dma_device = fn ? &fn->pdev->dev : NULL;
	card->ib.port_data = card->port;
	card->ib.ops.map_mr_sg = card_map_mr_sg;
	card->ib.attrs.max_fast_reg_page_list_len = MR_PAGES;
	card->pd.device = &card->ib;
	card->pd.local_dma_lkey = 0x11;
	card->qp.device = &card->ib;
	card->qp.pd = &card->pd;
	card->qp.max_read_sge = 2;
	card->qp.max_write_sge = 2;
	spin_lock_init(&card->qp.mr_lock);
	INIT_LIST_HEAD(&card->qp.rdma_mrs);
	for (i = 0; i < REGIONS; i++) {
		card->region[i].mr.device = &card->ib;
		list_add_tail(&card->region[i].mr.qp_entry, &card->qp.rdma_mrs);
	}
	return card;
}

/* A card that reads into memory regions, as iWARP's do */
static struct card *make_iwarp_card(struct kunit *test, struct fabric_fn *fn)
{
	struct card *card = make_card(test, fn);

	card->port[PORT].immutable.core_cap_flags = RDMA_CORE_CAP_PROT_IWARP;
	return card;
}

/*
 *	      root complex of which nothing is known
 *	       /                      \
 *	   root port               root port
 *	       |                        |
 *	    upstream                   far
 *	   /        \
 *	  d0         d1
 *	  |           |
 *	 near      provider
 */
struct machine {
	struct fabric_fn *near;
	struct fabric_fn *far;
	struct fabric_fn *provider;
};

static void build(struct kunit *test, struct machine *m)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *sw;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	host->bus_offset = 16LL * SZ_4G;
	sw = switch_under(root_port(host), 2);
	m->near = endpoint_under(downstream(sw, 0));
	m->provider = endpoint_under(downstream(sw, 1));
	m->far = endpoint_under(root_port(host));
	fabric_scan(fabric);
	provider_register(test, m->provider);
}

#define ENTRIES	5

/* A list of pieces of peer memory that are no neighbours */
static void take(struct kunit *test, struct machine *m, struct scatterlist *sg,
		 unsigned int count, size_t size)
{
	unsigned int i;

	sg_init_table(sg, count);
	for (i = 0; i < count; i++) {
		sg_set_buf(&sg[i], provider_alloc(test, m->provider, size), size);
		provider_alloc(test, m->provider, PAGE_SIZE);
	}
}

static int init(struct card *card, struct rdma_rw_ctx *ctx,
		struct scatterlist *sg, unsigned int count, u32 offset)
{
	memset(ctx, 0, sizeof(*ctx));
	return rdma_rw_ctx_init(ctx, &card->qp, PORT, sg, count, offset, REMOTE,
				RKEY, DMA_FROM_DEVICE);
}

/* No marks of the DMA API are left, and no memory region is missing. */
static void expect_nothing_left(struct kunit *test, struct card *card,
				struct scatterlist *sgl, unsigned int count)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, count, i)
		KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(sg));
	KUNIT_EXPECT_EQ(test, card->qp.mrs_used, 0);
}

static void destroy(struct kunit *test, struct card *card,
		    struct rdma_rw_ctx *ctx, struct scatterlist *sg,
		    unsigned int count)
{
	rdma_rw_ctx_destroy(ctx, &card->qp, PORT, sg, count, DMA_FROM_DEVICE);
	expect_nothing_left(test, card, sg, count);
}

static u64 bus_address(struct machine *m, struct scatterlist *sg)
{
	return provider_bus_address(m->provider, sg_virt(sg));
}

/* Who can be asked to do DMA to peer memory at all */
static void rdma_supported(struct kunit *test)
{
	struct machine m;

	build(test, &m);
	KUNIT_EXPECT_TRUE(test, ib_dma_pci_p2p_dma_supported(&make_card(test, m.near)->ib));
	KUNIT_EXPECT_TRUE(test, ib_dma_pci_p2p_dma_supported(&make_card(test, m.far)->ib));
	KUNIT_EXPECT_FALSE(test, ib_dma_pci_p2p_dma_supported(&make_card(test, NULL)->ib));
}

/* The work request has the bus address, also from the middle of an entry on. */
static void rdma_single(struct kunit *test)
{
	static const u32 offsets[] = { 0, 512, PAGE_SIZE + 4 };
	struct scatterlist sg[1];
	struct rdma_rw_ctx ctx;
	struct machine m;
	struct card *card;
	int i;

	build(test, &m);
	card = make_card(test, m.near);
	take(test, &m, sg, 1, 4 * PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		KUNIT_ASSERT_EQ(test, init(card, &ctx, sg, 1, offsets[i]), 1);
		KUNIT_EXPECT_EQ(test, ctx.single.sge.addr,
				bus_address(&m, sg) + offsets[i]);
		KUNIT_EXPECT_EQ(test, ctx.single.sge.length,
				4 * PAGE_SIZE - offsets[i]);
		KUNIT_EXPECT_EQ(test, ctx.single.sge.lkey, card->pd.local_dma_lkey);
		KUNIT_EXPECT_EQ(test, ctx.single.wr.wr.opcode, IB_WR_RDMA_READ);
		destroy(test, card, &ctx, sg, 1);
	}
}

/* More entries than a work request has: they go on in the next one. */
static void rdma_split(struct kunit *test)
{
	struct scatterlist sg[ENTRIES];
	struct rdma_rw_ctx ctx;
	struct machine m;
	struct card *card;
	int i;

	build(test, &m);
	card = make_card(test, m.near);
	take(test, &m, sg, ENTRIES, 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, init(card, &ctx, sg, ENTRIES, 0), 3);
	KUNIT_EXPECT_EQ(test, ctx.nr_ops, 3);
	for (i = 0; i < ENTRIES; i++) {
		struct ib_rdma_wr *wr = &ctx.map.wrs[i / 2];

		KUNIT_EXPECT_EQ(test, wr->wr.sg_list[i % 2].addr,
				bus_address(&m, &sg[i]));
		KUNIT_EXPECT_EQ(test, wr->wr.sg_list[i % 2].length, 2 * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, wr->wr.num_sge, i == 4 ? 1 : 2);
		KUNIT_EXPECT_EQ(test, wr->remote_addr, REMOTE + i / 2 * 4 * PAGE_SIZE);
	}
	destroy(test, card, &ctx, sg, ENTRIES);
}

/* A memory region has the bus address of each page. */
static void rdma_region(struct kunit *test)
{
	struct scatterlist sg[2];
	struct rdma_rw_ctx ctx;
	struct region *region;
	struct machine m;
	struct card *card;
	int i;

	build(test, &m);
	card = make_iwarp_card(test, m.near);
	region = card->region;
	take(test, &m, sg, 2, 4 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, init(card, &ctx, sg, 2, 0), 2);
	KUNIT_ASSERT_EQ(test, region->pages, 8);
	KUNIT_EXPECT_EQ(test, card->qp.mrs_used, 1);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, region->page[i],
				bus_address(&m, &sg[i / 4]) + i % 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, region->mr.length, 8 * PAGE_SIZE);
	destroy(test, card, &ctx, sg, 2);
}

/* An entry that is longer than a region goes on in the next one. */
static void rdma_regions(struct kunit *test)
{
	const u32 size = (2 * MR_PAGES + 1) * PAGE_SIZE;
	struct scatterlist sg[1];
	struct rdma_rw_ctx ctx;
	struct region *region;
	struct machine m;
	struct card *card;
	u32 at = 512;
	int i;

	build(test, &m);
	card = make_iwarp_card(test, m.near);
	take(test, &m, sg, 1, size);
	KUNIT_ASSERT_EQ(test, init(card, &ctx, sg, 1, at), 2 * REGIONS);
	KUNIT_ASSERT_EQ(test, ctx.nr_ops, REGIONS);
	for (i = 0; i < REGIONS; i++) {
		region = &card->region[i];
		KUNIT_EXPECT_EQ(test, ctx.reg[i].wr.remote_addr, REMOTE + at - 512);
		KUNIT_EXPECT_EQ(test, region->mr.iova, bus_address(&m, sg) + at);
		KUNIT_EXPECT_EQ(test, region->page[0],
				bus_address(&m, sg) + i * MR_PAGES * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, region->pages, i < 2 ? MR_PAGES : 1);
		at += region->mr.length;
	}
	KUNIT_EXPECT_EQ(test, at, size);
	destroy(test, card, &ctx, sg, 1);
}

/* More regions than there are: all of it is undone. */
static void rdma_regions_unwind(struct kunit *test)
{
	struct scatterlist sg[1];
	struct rdma_rw_ctx ctx;
	struct machine m;
	struct card *card;

	build(test, &m);
	card = make_iwarp_card(test, m.near);
	take(test, &m, sg, 1, (REGIONS * MR_PAGES + 1) * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, init(card, &ctx, sg, 1, 0), -EAGAIN);
	expect_nothing_left(test, card, sg, 1);
}

/* No route: the error says so, and nothing is mapped, whatever was before it. */
static void rdma_refused(struct kunit *test)
{
	void *ram = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct scatterlist sg[ENTRIES];
	struct rdma_rw_ctx ctx;
	struct machine m;
	struct card *card;

	KUNIT_ASSERT_NOT_NULL(test, ram);
	build(test, &m);
	take(test, &m, sg, ENTRIES, PAGE_SIZE);
	sg_set_buf(&sg[0], ram, PAGE_SIZE);

	card = make_card(test, m.far);
	KUNIT_EXPECT_EQ(test, init(card, &ctx, sg, ENTRIES, 0), -EREMOTEIO);
	expect_nothing_left(test, card, sg, ENTRIES);
	card = make_iwarp_card(test, m.far);
	KUNIT_EXPECT_EQ(test, init(card, &ctx, sg, ENTRIES, 0), -EREMOTEIO);
	expect_nothing_left(test, card, sg, ENTRIES);

	/* The same list is none too bad for a card that has a route. */
	card = make_card(test, m.near);
	KUNIT_ASSERT_EQ(test, init(card, &ctx, sg, ENTRIES, 0), 3);
	KUNIT_EXPECT_EQ(test, ctx.map.sges[0].addr, virt_to_phys(ram));
	KUNIT_EXPECT_EQ(test, ctx.map.sges[1].addr, bus_address(&m, &sg[1]));
	destroy(test, card, &ctx, sg, ENTRIES);
}

static struct kunit_case rdma_cases[] = {
	KUNIT_CASE(rdma_supported),
	KUNIT_CASE(rdma_single),
	KUNIT_CASE(rdma_split),
	KUNIT_CASE(rdma_region),
	KUNIT_CASE(rdma_regions),
	KUNIT_CASE(rdma_regions_unwind),
	KUNIT_CASE(rdma_refused),
	{}
};

static struct kunit_suite rdma_suite = {
	.name = "p2pdma_rdma",
	.test_cases = rdma_cases,
};

kunit_test_suite(rdma_suite);

MODULE_DESCRIPTION("KUnit suite of RDMA cards with peer memory");
MODULE_LICENSE("GPL");
