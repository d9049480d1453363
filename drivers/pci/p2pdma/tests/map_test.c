// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of map.c, by way of the DMA API on fabric devices: which address
 * a client gets for peer memory, and what is left of it after unmapping.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/bio.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "../../pci.h"
#include "fabric.h"
#include "provider.h"

#define BUS	PCI_P2PDMA_MAP_BUS_ADDR
#define HOST	PCI_P2PDMA_MAP_THRU_HOST_BRIDGE
#define REFUSED	PCI_P2PDMA_MAP_NOT_SUPPORTED

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "of the random lists; 0 draws one");

/* ---- scatterlists ---- */

#define ENTRIES		4

struct list {
	struct scatterlist sg[ENTRIES];
	struct scatterlist before[ENTRIES];
	struct sg_table table;
};

static struct list *make_list(struct kunit *test, unsigned int entries)
{
	struct list *list = kunit_kzalloc(test, sizeof(*list), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, list);
	sg_init_table(list->sg, entries);
	list->table.sgl = list->sg;
	list->table.nents = entries;
	list->table.orig_nents = entries;
	return list;
}

static int map(struct list *list, struct fabric_fn *client,
	       enum dma_data_direction dir)
{
	memcpy(list->before, list->sg, sizeof(list->sg));
	return dma_map_sgtable(&client->pdev->dev, &list->table, dir, 0);
}

/* Memory as before, no marks of the DMA API left */
static void expect_restored(struct kunit *test, struct list *list)
{
	int i;

	for (i = 0; i < list->table.orig_nents; i++) {
		KUNIT_EXPECT_EQ(test, list->sg[i].page_link, list->before[i].page_link);
		KUNIT_EXPECT_EQ(test, list->sg[i].offset, list->before[i].offset);
		KUNIT_EXPECT_EQ(test, list->sg[i].length, list->before[i].length);
		KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(&list->sg[i]));
	}
}

static void unmap(struct kunit *test, struct list *list,
		  struct fabric_fn *client, enum dma_data_direction dir)
{
	dma_unmap_sgtable(&client->pdev->dev, &list->table, dir, 0);
	expect_restored(test, list);
}

/* A list of one piece, mapped: what comes of it */
static void expect_mapped(struct kunit *test, struct fabric_fn *client,
			  struct fabric_fn *provider, void *addr,
			  enum dma_data_direction dir,
			  enum pci_p2pdma_map_type type)
{
	struct list *list = make_list(test, 1);
	int ret;

	sg_set_buf(list->sg, addr, PAGE_SIZE);
	ret = map(list, client, dir);
	if (type == REFUSED) {
		KUNIT_EXPECT_EQ(test, ret, -EREMOTEIO);
		expect_restored(test, list);
		return;
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, list->table.nents, 1);
	KUNIT_EXPECT_EQ(test, sg_dma_len(list->sg), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, sg_dma_is_bus_address(list->sg), type == BUS);
	KUNIT_EXPECT_EQ(test, sg_dma_address(list->sg), type == BUS ?
			provider_bus_address(provider, addr) : sg_phys(list->sg));
	unmap(test, list, client, dir);
}

/* ---- one switch ---- */

/*
 *	  root port
 *	      |
 *	   upstream
 *	 /     |      \
 *	d0     d1      d2
 *	|      |       |
 *	client provider other
 */
struct machine {
	struct fabric *fabric;
	struct fabric_host *host;
	struct fabric_fn *sw;
	struct fabric_fn *client;
	struct fabric_fn *provider;
	struct fabric_fn *other;
};

static void describe(struct kunit *test, struct machine *m, u16 root)
{
	m->fabric = fabric_alloc(test);
	m->host = host_bridge(m->fabric);
	root_device(m->host, PCI_VENDOR_ID_INTEL, root);
	m->sw = switch_under(root_port(m->host), 3);
	m->client = endpoint_under(downstream(m->sw, 0));
	m->provider = endpoint_under(downstream(m->sw, 1));
	m->other = endpoint_under(downstream(m->sw, 2));
}

static void build(struct kunit *test, struct machine *m)
{
	describe(test, m, ROUTES_ANYWHERE);
	fabric_scan(m->fabric);
	provider_register(test, m->provider);
	provider_register(test, m->other);
}

static const struct bus_offset {
	const char *name;
	s64 offset;
} bus_offsets[] = {
	{ "no_offset", 0 },
	{ "bus_above_cpu", 16LL * SZ_4G },
	{ "bus_below_cpu", -16LL * SZ_4G },
};

KUNIT_ARRAY_PARAM_DESC(bus_offset, bus_offsets, name);

/* The offset's sign.  The truth is in the provider's BAR register. */
static void map_bus_address(struct kunit *test)
{
	const struct bus_offset *param = test->param_value;
	struct machine m;
	struct list *list = make_list(test, 3);
	u8 *addr;
	int i;

	describe(test, &m, ROUTES_ANYWHERE);
	m.host->bus_offset = param->offset;
	fabric_scan(m.fabric);
	KUNIT_ASSERT_EQ(test, provider_bar_register(m.provider) -
			pci_resource_start(m.provider->pdev, 0), (u64)param->offset);
	provider_register(test, m.provider);
	addr = provider_alloc(test, m.provider, SZ_1M);
	KUNIT_EXPECT_EQ(test, pci_p2pmem_virt_to_bus(m.provider->pdev, addr + 5),
			provider_bus_address(m.provider, addr + 5));

	sg_set_buf(&list->sg[0], addr, 3 * PAGE_SIZE);
	sg_set_buf(&list->sg[1], addr + SZ_64K + 512, 1024);
	sg_set_buf(&list->sg[2], addr + SZ_1M - 4, 4);
	KUNIT_ASSERT_EQ(test, 0, map(list, m.client, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, list->table.nents, 3);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, sg_dma_is_bus_address(&list->sg[i]));
		KUNIT_EXPECT_EQ(test, sg_dma_address(&list->sg[i]),
				provider_bus_address(m.provider, sg_virt(&list->sg[i])));
		KUNIT_EXPECT_EQ(test, sg_dma_len(&list->sg[i]), list->sg[i].length);
	}
	unmap(test, list, m.client, DMA_BIDIRECTIONAL);
}

/* A list of two arrays: the link between them is no entry. */
static void map_chained(struct kunit *test)
{
	struct scatterlist second[2], *sg;
	struct list *list = make_list(test, 3);
	struct machine m;
	u8 *addr;
	int i;

	build(test, &m);
	addr = provider_alloc(test, m.provider, 4 * PAGE_SIZE);
	sg_init_table(second, 2);
	sg_chain(list->sg, 3, second);
	list->table.orig_nents = 4;
	for_each_sgtable_sg(&list->table, sg, i)
		sg_set_buf(sg, addr + (3 - i) * PAGE_SIZE, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, dma_map_sgtable(&m.client->pdev->dev, &list->table,
						 DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, list->table.nents, 4);
	for_each_sgtable_dma_sg(&list->table, sg, i)
		KUNIT_EXPECT_EQ(test, sg_dma_address(sg),
				provider_bus_address(m.provider,
						     addr + (3 - i) * PAGE_SIZE));
	KUNIT_EXPECT_PTR_EQ(test, sg_last(list->sg, 4), &second[1]);
	dma_unmap_sgtable(&m.client->pdev->dev, &list->table, DMA_TO_DEVICE, 0);
}

/* The provider itself needs no route to its own memory. */
static void map_self(struct kunit *test)
{
	struct machine m;

	build(test, &m);
	expect_mapped(test, m.provider, m.provider,
		      provider_alloc(test, m.provider, PAGE_SIZE), DMA_TO_DEVICE, BUS);
}

/* RAM, two providers, RAM: each entry gets what is right for it. */
static void map_mixed(struct kunit *test)
{
	struct list *list = make_list(test, 4);
	void *ram = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct machine m;

	build(test, &m);
	KUNIT_ASSERT_NOT_NULL(test, ram);
	sg_set_buf(&list->sg[0], ram, 512);
	sg_set_buf(&list->sg[1], provider_alloc(test, m.provider, PAGE_SIZE), PAGE_SIZE);
	sg_set_buf(&list->sg[2], provider_alloc(test, m.other, PAGE_SIZE), PAGE_SIZE);
	sg_set_buf(&list->sg[3], ram + 1024, 512);

	KUNIT_ASSERT_EQ(test, 0, map(list, m.client, DMA_TO_DEVICE));
	KUNIT_ASSERT_EQ(test, list->table.nents, 4);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(&list->sg[0]));
	KUNIT_EXPECT_TRUE(test, sg_dma_is_bus_address(&list->sg[1]));
	KUNIT_EXPECT_TRUE(test, sg_dma_is_bus_address(&list->sg[2]));
	KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(&list->sg[3]));
	KUNIT_EXPECT_EQ(test, sg_dma_address(&list->sg[1]),
			provider_bus_address(m.provider, sg_virt(&list->sg[1])));
	KUNIT_EXPECT_EQ(test, sg_dma_address(&list->sg[2]),
			provider_bus_address(m.other, sg_virt(&list->sg[2])));
	KUNIT_EXPECT_EQ(test, sg_dma_address(&list->sg[3]),
			virt_to_phys(ram) + 1024);
	unmap(test, list, m.client, DMA_TO_DEVICE);
}

/* ---- directions ---- */

static const struct root {
	const char *name;
	u16 device;
	enum pci_p2pdma_map_type read;	/* what then becomes of reads */
} roots[] = {
	{ "root_complex_routes", ROUTES_ANYWHERE, HOST },
	{ "root_complex_unknown", ROUTES_UNKNOWN, REFUSED },
};

KUNIT_ARRAY_PARAM_DESC(root, roots, name);

/*
 * Completions redirected at the provider's port: to write its memory goes over
 * the switch, to read it goes by way of the root complex, if that routes.
 */
static void build_redirecting(struct kunit *test, struct machine *m,
			      const struct root *root)
{
	describe(test, m, root->device);
	with_acs(downstream(m->sw, 1), PCI_ACS_CR);
	fabric_scan(m->fabric);
	provider_register(test, m->provider);
	provider_register(test, m->other);
}

static void map_directions(struct kunit *test)
{
	const struct root *root = test->param_value;
	struct machine m;
	void *addr;

	build_redirecting(test, &m, root);
	addr = provider_alloc(test, m.provider, PAGE_SIZE);
	expect_mapped(test, m.client, m.provider, addr, DMA_FROM_DEVICE, BUS);
	expect_mapped(test, m.client, m.provider, addr, DMA_TO_DEVICE, root->read);
	expect_mapped(test, m.client, m.provider, addr, DMA_BIDIRECTIONAL,
		      root->read);
	/* Up and down one port: four links each way */
	KUNIT_EXPECT_EQ(test, root->read == REFUSED ? -1 : 1024 + 8,
			pci_p2pdma_distance(m.provider->pdev, &m.client->pdev->dev,
					    false));
}

/**
 * struct piece - an entry of a random list
 * @owner: whose memory it is in, NULL is RAM
 * @addr: a page of it
 * @type: how the client reaches it
 */
struct piece {
	struct fabric_fn *owner;
	u8 *addr;
	enum pci_p2pdma_map_type type;
};

static void expect_pieces(struct kunit *test, struct list *list,
			  const struct piece *pieces)
{
	struct scatterlist *sg;
	bool bus;
	int i;

	KUNIT_ASSERT_EQ(test, list->table.nents, list->table.orig_nents);
	for (i = 0; i < list->table.nents; i++) {
		sg = &list->sg[i];
		bus = pieces[i].type == BUS;
		KUNIT_ASSERT_EQ(test, sg_dma_is_bus_address(sg), bus);
		KUNIT_ASSERT_EQ(test, sg_dma_len(sg), sg->length);
		KUNIT_ASSERT_EQ(test, sg_dma_address(sg), bus ?
				provider_bus_address(pieces[i].owner, sg_virt(sg)) :
				sg_phys(sg));
	}
}

/*
 * Whatever is in a list: each entry gets its address and unmapping restores
 * the list, or nothing is mapped and it is as before.
 */
static void map_random(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE,
	};
	const struct root *root = test->param_value;
	struct piece memory[3][ENTRIES], pieces[ENTRIES];
	unsigned int i, n, round, offset, mapped = 0;
	u32 from = seed ?: get_random_u32();
	enum dma_data_direction dir;
	struct rnd_state rnd;
	struct list *list;
	struct machine m;
	bool refused;

	kunit_info(test, "map_test.seed=%u repeats this\n", from);
	prandom_seed_state(&rnd, from);
	build_redirecting(test, &m, root);
	for (i = 0; i < ENTRIES; i++) {
		memory[0][i].owner = NULL;
		memory[0][i].addr = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, memory[0][i].addr);
		memory[1][i].owner = m.provider;
		memory[1][i].addr = provider_alloc(test, m.provider, PAGE_SIZE);
		memory[2][i].owner = m.other;
		memory[2][i].addr = provider_alloc(test, m.other, PAGE_SIZE);
	}

	for (round = 0; round < 500; round++) {
		dir = dirs[prandom_u32_state(&rnd) % ARRAY_SIZE(dirs)];
		n = 1 + prandom_u32_state(&rnd) % ENTRIES;
		list = make_list(test, n);
		refused = false;
		for (i = 0; i < n; i++) {
			pieces[i] = memory[prandom_u32_state(&rnd) % 3][i];
			pieces[i].type = !pieces[i].owner ? HOST :
					 pieces[i].owner == m.other ||
					 dir == DMA_FROM_DEVICE ? BUS : root->read;
			refused |= pieces[i].type == REFUSED;
			offset = prandom_u32_state(&rnd) % PAGE_SIZE;
			sg_set_buf(&list->sg[i], pieces[i].addr + offset, 1 +
				   prandom_u32_state(&rnd) % (PAGE_SIZE - offset));
		}
		KUNIT_ASSERT_EQ(test, map(list, m.client, dir),
				refused ? -EREMOTEIO : 0);
		if (refused) {
			expect_restored(test, list);
			continue;
		}
		expect_pieces(test, list, pieces);
		unmap(test, list, m.client, dir);
		mapped++;
	}
	KUNIT_EXPECT_GT(test, mapped, 100);
}

/* ---- through the root complex, or not ---- */

/*
 *	    root complex
 *	    /          \
 *	root port    root port
 *	    |            |
 *	 client        provider
 */
static void build_root_ports(struct kunit *test, struct machine *m)
{
	m->fabric = fabric_alloc(test);
	m->host = host_bridge(m->fabric);
	root_device(m->host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	m->host->bus_offset = 16LL * SZ_4G;
	m->client = endpoint_under(root_port(m->host));
	m->provider = endpoint_under(root_port(m->host));
	fabric_scan(m->fabric);
	provider_register(test, m->provider);
}

static void map_root_complex(struct kunit *test)
{
	struct machine m;

	build_root_ports(test, &m);
	expect_mapped(test, m.client, m.provider, provider_alloc(test, m.provider, PAGE_SIZE),
		      DMA_BIDIRECTIONAL, HOST);
}

/*
 * There too the client has to be able to address it, and no bounce buffer can
 * stand in for it.
 */
static void map_root_complex_refused(struct kunit *test)
{
	struct device *dev;
	struct machine m;
	void *addr;

	build_root_ports(test, &m);
	dev = &m.client->pdev->dev;
	addr = provider_alloc(test, m.provider, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(32)));
	expect_mapped(test, m.client, m.provider, addr, DMA_TO_DEVICE, REFUSED);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(64)));
	expect_mapped(test, m.client, m.provider, addr, DMA_TO_DEVICE, HOST);
#ifdef CONFIG_SWIOTLB
	{
		struct io_tlb_mem *usual = dev->dma_io_tlb_mem, *bounce;

		bounce = kunit_kzalloc(test, sizeof(*bounce), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, bounce);
		bounce->force_bounce = true;
		dev->dma_io_tlb_mem = bounce;
		expect_mapped(test, m.client, m.provider, addr, DMA_TO_DEVICE,
			      REFUSED);
		dev->dma_io_tlb_mem = usual;
	}
#endif
}

/*
 *	   root complex
 *	    /         \
 *	upstream    root port
 *	 /    \         |
 *	a      near    far		only near is reached by a
 */
static void map_partly_refused(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	void *ram = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct list *list = make_list(test, 3);
	struct fabric_fn *sw, *a, *near, *far;

	KUNIT_ASSERT_NOT_NULL(test, ram);
	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	sw = switch_under(root_port(host), 2);
	a = endpoint_under(downstream(sw, 0));
	near = endpoint_under(downstream(sw, 1));
	far = endpoint_under(root_port(host));
	fabric_scan(fabric);
	provider_register(test, near);
	provider_register(test, far);

	sg_set_buf(&list->sg[0], provider_alloc(test, near, PAGE_SIZE), PAGE_SIZE);
	sg_set_buf(&list->sg[1], ram, PAGE_SIZE);
	sg_set_buf(&list->sg[2], provider_alloc(test, far, PAGE_SIZE), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, map(list, a, DMA_TO_DEVICE), -EREMOTEIO);
	expect_restored(test, list);

	/* And nothing of it sticks */
	expect_mapped(test, a, near, sg_virt(&list->sg[0]), DMA_TO_DEVICE, BUS);
}

/* ---- clients that cannot ---- */

/* What does no PCI DMA reaches nothing. */
static void map_not_pci(struct kunit *test)
{
	struct pci_p2pdma_map_state state = { .dir = DMA_TO_DEVICE };
	struct device *dev = kunit_device_register(test, "not-pci");
	struct scatterlist sg;
	struct machine m;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	build(test, &m);
	sg_init_one(&sg, provider_alloc(test, m.provider, PAGE_SIZE), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_map_segment(&state, dev, &sg), REFUSED);
	KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(&sg));
	KUNIT_EXPECT_EQ(test, -1, pci_p2pdma_distance(m.provider->pdev, dev, false));

	/* Nor does what differs from a client that is known by its bus alone. */
	dev = &m.client->pdev->dev;
	state.pgmap = NULL;
	KUNIT_EXPECT_EQ(test, pci_p2pdma_map_segment(&state, dev, &sg), BUS);
	dev->bus = NULL;
	state.pgmap = NULL;
	KUNIT_EXPECT_EQ(test, pci_p2pdma_map_segment(&state, dev, &sg), REFUSED);
	dev->bus = &pci_bus_type;
}

static void map_dma_mask(struct kunit *test)
{
	struct machine m;
	void *addr;

	build(test, &m);
	addr = provider_alloc(test, m.provider, PAGE_SIZE);
	expect_mapped(test, m.client, m.provider, addr, DMA_TO_DEVICE, BUS);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(&m.client->pdev->dev,
					      DMA_BIT_MASK(32)));
	expect_mapped(test, m.client, m.provider, addr, DMA_TO_DEVICE, REFUSED);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(&m.client->pdev->dev,
					      DMA_BIT_MASK(64)));
	expect_mapped(test, m.client, m.provider, addr, DMA_TO_DEVICE, BUS);
}

/* A single page is refused: who unmaps it could not tell a bus address. */
static void map_page_refused(struct kunit *test)
{
	struct machine m;
	dma_addr_t addr;
	void *peer_addr;

	build(test, &m);
	peer_addr = provider_alloc(test, m.provider, PAGE_SIZE);
	addr = dma_map_page(&m.client->pdev->dev, virt_to_page(peer_addr), 0,
			    PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_NE(test, 0, dma_mapping_error(&m.client->pdev->dev, addr));
}

#ifdef CONFIG_ARCH_HAS_DMA_OPS
/* Would map anything, as it knows no more than RAM */
static int own_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		sg_dma_address(sg) = sg_phys(sg);
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

static void own_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir, unsigned long attrs)
{
}

/*
 * A device with operations of its own gets no list that has peer memory in any
 * entry.
 */
static void map_own_operations(struct kunit *test)
{
	static const struct dma_map_ops own = {
		.map_sg = own_map_sg,
		.unmap_sg = own_unmap_sg,
	};
	u8 *ram = kunit_kzalloc(test, ENTRIES * PAGE_SIZE, GFP_KERNEL);
	struct list *list = make_list(test, ENTRIES);
	struct device *dev;
	struct machine m;
	void *peer_addr;
	int i, peer;

	KUNIT_ASSERT_NOT_NULL(test, ram);
	build(test, &m);
	peer_addr = provider_alloc(test, m.provider, PAGE_SIZE);
	dev = &m.client->pdev->dev;
	KUNIT_EXPECT_TRUE(test, dma_pci_p2pdma_supported(dev));
	set_dma_ops(dev, &own);
	KUNIT_EXPECT_FALSE(test, dma_pci_p2pdma_supported(dev));
	for (peer = -1; peer < ENTRIES; peer++) {
		for (i = 0; i < ENTRIES; i++)
			sg_set_buf(&list->sg[i], i == peer ? peer_addr :
				   ram + i * PAGE_SIZE, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, map(list, m.client, DMA_TO_DEVICE),
				peer < 0 ? 0 : -EREMOTEIO);
		if (peer < 0)
			unmap(test, list, m.client, DMA_TO_DEVICE);
		else
			expect_restored(test, list);
	}
	set_dma_ops(dev, NULL);
}
#endif

/* ---- the state of a mapping loop ---- */

/*
 *	     root complex
 *	      /        \
 *	  upstream    root port
 *	  /      \	  |
 *	client provider  root
 *
 * Segments of different kinds in turn: no map type is carried over.
 */
static void map_state(struct kunit *test)
{
	struct pci_p2pdma_map_state state = { .dir = DMA_FROM_DEVICE };
	void *ram = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct scatterlist near, far, mem;
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *sw, *client, *provider, *root;
	struct device *dev;
	int round;

	KUNIT_ASSERT_NOT_NULL(test, ram);
	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	sw = switch_under(root_port(host), 2);
	client = endpoint_under(downstream(sw, 0));
	provider = endpoint_under(downstream(sw, 1));
	root = endpoint_under(root_port(host));
	fabric_scan(fabric);
	provider_register(test, provider);
	provider_register(test, root);
	dev = &client->pdev->dev;

	sg_init_one(&near, provider_alloc(test, provider, PAGE_SIZE), PAGE_SIZE);
	sg_init_one(&far, provider_alloc(test, root, PAGE_SIZE), PAGE_SIZE);
	sg_init_one(&mem, ram, PAGE_SIZE);
	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_EQ(test, pci_p2pdma_map_segment(&state, dev, &near), BUS);
		KUNIT_EXPECT_EQ(test, sg_dma_address(&near),
				provider_bus_address(provider, sg_virt(&near)));
		KUNIT_EXPECT_EQ(test, pci_p2pdma_map_segment(&state, dev, &mem),
				PCI_P2PDMA_MAP_NONE);
		KUNIT_EXPECT_EQ(test, pci_p2pdma_map_segment(&state, dev, &far), HOST);
	}
	KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(&far));
	KUNIT_EXPECT_FALSE(test, sg_dma_is_bus_address(&mem));
}

/* ---- locks ---- */

struct quiet {
	struct kunit *test;
	struct machine m;
	struct scatterlist sg;
	struct sg_table table;
	int ret;
	int distance;
	bool waited;
};

static void map_in_job(void *data)
{
	struct quiet *q = data;
	struct device *dev = &q->m.client->pdev->dev;

	q->ret = dma_map_sgtable(dev, &q->table, DMA_TO_DEVICE, 0);
	if (!q->ret)
		dma_unmap_sgtable(dev, &q->table, DMA_TO_DEVICE, 0);
	q->distance = pci_p2pdma_distance(q->m.provider->pdev, dev, false);
	pci_dev_put(pci_p2pmem_find(dev));
}

/* With the list of providers locked, and those of all buses: once, is enough. */
static int map_meanwhile(struct p2pdma_resource *res, void *data)
{
	struct quiet *q = data;
	struct job *job;
	int round;

	down_write(&pci_bus_sem);
	/* Nothing is cached at first, then all of it. */
	p2pdma_topology_changed();
	for (round = 0; round < 2; round++) {
		job = job_start(q->test, map_in_job, q);
		q->waited = !job_ends(job);
		if (q->waited)
			break;
	}
	up_write(&pci_bus_sem);
	return 1;
}

/* Neither to map nor to ask takes a lock that may sleep. */
static void map_takes_no_lock(struct kunit *test)
{
	struct quiet *q = kunit_kzalloc(test, sizeof(*q), GFP_KERNEL);
	struct fabric_fn *provider;

	KUNIT_ASSERT_NOT_NULL(test, q);
	q->test = test;
	build_root_ports(test, &q->m);
	provider = q->m.provider;
	sg_init_one(&q->sg, provider_alloc(test, provider, PAGE_SIZE), PAGE_SIZE);
	q->table.sgl = &q->sg;
	q->table.nents = 1;
	q->table.orig_nents = 1;
	pci_p2pmem_publish(provider->pdev, true);
	KUNIT_ASSERT_EQ(test, 1, p2pdma_for_each_resource(map_meanwhile, q));
	KUNIT_ASSERT_FALSE(test, q->waited);
	KUNIT_EXPECT_EQ(test, 0, q->ret);
	KUNIT_EXPECT_EQ(test, 512 + 4, q->distance);
}

/* ---- merging ---- */

/*
 *	root port
 *	    |
 *	 provider		BAR 0: | 2 MiB | 2 MiB |
 *
 * Two resources that touch each other are two providers, as registered memory
 * and RAM are; pieces of one may become one segment.
 */
static void map_no_merge(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *provider = endpoint_under(root_port(host_bridge(fabric)));
	unsigned int offset;
	struct page *pages[4];
	struct bio_vec vecs[4];
	struct sg_table table;
	struct bio bio;
	int i;

	provider->bar[0].size = SZ_4M;
	fabric_scan(fabric);
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(provider->pdev, 0, SZ_2M, 0));
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(provider->pdev, 0, SZ_2M, SZ_2M));
	offset = SZ_2M - 2 * PAGE_SIZE;
	for (i = 0; i < 4; i++)
		pages[i] = pfn_to_page(PHYS_PFN(pci_resource_start(provider->pdev, 0) +
						offset) + i);

	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table_from_pages(&table, pages, 4, 0,
							   4 * PAGE_SIZE, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, table.orig_nents, 2);
	KUNIT_EXPECT_EQ(test, table.sgl->length, 2 * PAGE_SIZE);
	sg_free_table(&table);

	bio_init(&bio, NULL, vecs, ARRAY_SIZE(vecs), REQ_OP_READ);
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_EQ(test, PAGE_SIZE,
				bio_add_page(&bio, pages[i], PAGE_SIZE, 0));
	KUNIT_EXPECT_EQ(test, bio.bi_vcnt, 2);
	bio_uninit(&bio);
}

static struct kunit_case map_cases[] = {
	KUNIT_CASE_PARAM(map_bus_address, bus_offset_gen_params),
	KUNIT_CASE(map_chained),
	KUNIT_CASE(map_self),
	KUNIT_CASE(map_mixed),
	KUNIT_CASE_PARAM(map_directions, root_gen_params),
	KUNIT_CASE_PARAM(map_random, root_gen_params),
	KUNIT_CASE(map_root_complex),
	KUNIT_CASE(map_root_complex_refused),
	KUNIT_CASE(map_partly_refused),
	KUNIT_CASE(map_not_pci),
	KUNIT_CASE(map_dma_mask),
	KUNIT_CASE(map_page_refused),
#ifdef CONFIG_ARCH_HAS_DMA_OPS
	KUNIT_CASE(map_own_operations),
#endif
	KUNIT_CASE(map_state),
	KUNIT_CASE(map_takes_no_lock),
	KUNIT_CASE(map_no_merge),
	{}
};

static struct kunit_suite map_suite = {
	.name = "p2pdma_map",
	.test_cases = map_cases,
};

kunit_test_suite(map_suite);

MODULE_DESCRIPTION("KUnit suite of how P2PDMA maps peer memory");
MODULE_LICENSE("GPL");
