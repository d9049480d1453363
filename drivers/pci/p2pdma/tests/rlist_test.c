// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of range lists: what is put in comes out, from whatever it is stored
 * in, and what a device without an IOMMU sees of it.  Random lists are held against
 * a model: an array with a byte range for each page or part of one.
 */
#include <kunit/test.h>
#include <linux/bvec.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/rlist.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "fabric.h"
#include "provider.h"

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "of the random lists; 0 draws one");

/* ---- the machine ---- */

#define PAGES		64
#define SIZE		(PAGES * PAGE_SIZE)

enum memory { RAM, NEAR, BESIDE, FAR, AWAY, KINDS };

/*
 *	    root complex		root complex that does not route
 *	     /	      \			     |
 *	upstream    root port		root port
 *	 /   |	 \	|		     |
 *  client near beside	far		   away
 */
struct machine {
	struct fabric_fn *client;
	struct fabric_fn *provider[KINDS];
	u8 *memory[KINDS];
	/* Of all that goes up to the root complex */
	u64 dma_offset;
};

static void free_ram(void *addr)
{
	free_pages_exact(addr, SIZE);
}

static struct machine *build(struct kunit *test)
{
	struct machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host, *other;
	struct fabric_fn *sw;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	host = host_bridge(fabric);
	other = host_bridge(fabric);
	host->bus_offset = -(s64)SZ_1G;
	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	root_device(other, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	sw = switch_under(root_port(host), 3);
	m->client = endpoint_under(downstream(sw, 0));
	m->provider[NEAR] = endpoint_under(downstream(sw, 1));
	m->provider[BESIDE] = endpoint_under(downstream(sw, 2));
	m->provider[FAR] = endpoint_under(root_port(host));
	m->provider[AWAY] = endpoint_under(root_port(other));
	/* For those without pages */
	m->provider[NEAR]->bar[2].size = SZ_64K;
	m->provider[FAR]->bar[2].size = SZ_64K;
	fabric_scan(fabric);
	m->memory[RAM] = alloc_pages_exact(SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->memory[RAM]);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_ram,
							   m->memory[RAM]));
	for (i = NEAR; i < KINDS; i++) {
		provider_register(test, m->provider[i]);
		m->memory[i] = provider_alloc(test, m->provider[i], SIZE);
	}
	return m;
}

/* ---- the model ---- */

#define PARTS		300

struct part {
	phys_addr_t start;
	u64 len;
	enum memory kind;
};

/* What there should be: the parts as they were drawn */
struct model {
	unsigned int parts;
	struct part part[PARTS];
	u64 bytes;
};

static struct model *make_model(struct kunit *test)
{
	struct model *model = kunit_kzalloc(test, sizeof(*model), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, model);
	return model;
}

static phys_addr_t phys_of(const struct machine *m, enum memory kind)
{
	return page_to_phys(virt_to_page(m->memory[kind]));
}

static void model_add(struct model *model, const struct machine *m,
		      enum memory kind, u64 offset, u64 len)
{
	struct part *part = &model->part[model->parts++];

	part->start = phys_of(m, kind) + offset;
	part->len = len;
	part->kind = kind;
	model->bytes += len;
}

static struct pci_dev *provider_of(const struct machine *m, enum memory kind)
{
	return kind == RAM ? NULL : m->provider[kind]->pdev;
}

/* What belongs to @addr of @kind, in the list of a client of @m */
static dma_addr_t expected_dma(const struct machine *m, const struct part *part)
{
	u64 bar;

	if (part->kind != NEAR && part->kind != BESIDE)
		return part->start + m->dma_offset;
	bar = pci_resource_start(m->provider[part->kind]->pdev, 0);
	return provider_bar_register(m->provider[part->kind]) +
	       part->start - bar;
}

/* A byte stream: where its next byte is, and how many are known to follow */
struct stream {
	const struct model *model;
	unsigned int i;
	u64 into;
};

/* @len bytes at @start are what the model has next, all of them of one kind. */
static bool model_next(struct stream *s, const struct machine *m, u64 start,
		       u64 len, bool dma, struct p2pdma_resource *peer)
{
	const struct part *part;
	u64 at, n;
	bool ram;

	for (; len; start += n, len -= n) {
		if (s->i == s->model->parts)
			return false;
		part = &s->model->part[s->i];
		at = (dma ? expected_dma(m, part) : part->start) + s->into;
		if (at != start)
			return false;
		ram = part->kind == RAM;
		if (!dma && ram == !!peer)
			return false;
		if (peer && peer != pci_p2pdma_find_resource(provider_of(m, part->kind),
							     part->start, part->len))
			return false;
		n = min(len, part->len - s->into);
		s->into += n;
		if (s->into == part->len) {
			s->into = 0;
			s->i++;
		}
	}
	return true;
}

static void expect_ranges(struct kunit *test, const struct machine *m,
			  const struct model *model, const struct rlist_cpu *cpu)
{
	struct stream s = { .model = model };
	struct rlist_range range;
	struct rlist_iter it;
	unsigned int n = 0;

	rlist_for_each(&it, cpu, &range) {
		KUNIT_ASSERT_NE(test, range.len, 0);
		KUNIT_ASSERT_LE(test, ++n, model->parts);
		if (!model_next(&s, m, range.start, range.len, false, range.peer)) {
			KUNIT_FAIL(test, "%#llx bytes at %pa, part %u of %u",
				   range.len, &range.start, s.i, model->parts);
			return;
		}
	}
	KUNIT_EXPECT_EQ(test, s.i, model->parts);
}

/* Does a stretch have to end before the next part? */
static bool ends_there(const struct stream *s, const struct machine *m, u64 end,
		       u64 addr)
{
	const struct part *part = &s->model->part[s->i];

	return !s->i || (!s->into && (end != addr || part[0].kind != part[-1].kind));
}

static void expect_seen(struct kunit *test, const struct machine *m,
			const struct model *model, const struct rlist_dma *dma)
{
	struct stream s = { .model = model };
	struct rlist_dma_range range;
	struct rlist_dma_iter it;
	u64 end = 0;

	KUNIT_EXPECT_EQ(test, rlist_dma_bytes(dma), model->bytes);
	rlist_dma_for_each(&it, dma, &range) {
		KUNIT_ASSERT_NE(test, range.len, 0);
		/* As long as possible */
		if (!ends_there(&s, m, end, range.addr))
			KUNIT_FAIL(test, "a stretch ends at %#llx without need", end);
		if (!model_next(&s, m, range.addr, range.len, true, NULL)) {
			KUNIT_FAIL(test, "%#llx bytes at %pad, part %u of %u",
				   range.len, &range.addr, s.i, model->parts);
			return;
		}
		end = range.addr + range.len;
	}
	KUNIT_EXPECT_EQ(test, s.i, model->parts);
}

static void add(struct kunit *test, struct rlist *list, struct model *model,
		const struct machine *m, enum memory kind, u64 offset, u64 len)
{
	KUNIT_ASSERT_EQ(test, 0,
			rlist_add_phys(list, phys_of(m, kind) + offset, len,
				       provider_of(m, kind), GFP_KERNEL));
	model_add(model, m, kind, offset, len);
}

/* ---- cases ---- */

/* One range of each kind that the client reaches, seen by it as it has to be */
static void a_mixed_list_is_mapped(struct kunit *test)
{
	struct machine *m = build(test);
	struct device *dev = &m->client->pdev->dev;
	struct model *model = make_model(test);
	struct rlist_cpu cpu;
	struct rlist_dma dma;
	struct rlist list;

	rlist_init(&list);
	add(test, &list, model, m, RAM, 0, PAGE_SIZE);
	add(test, &list, model, m, NEAR, PAGE_SIZE, 3 * PAGE_SIZE);
	add(test, &list, model, m, FAR, 100, 1000);
	add(test, &list, model, m, BESIDE, 0, SIZE);
	add(test, &list, model, m, RAM, PAGE_SIZE, 512);
	add(test, &list, model, m, NEAR, 0, PAGE_SIZE);
	rlist_cpu_list(&cpu, &list);
	expect_ranges(test, m, model, &cpu);
	KUNIT_EXPECT_EQ(test, rlist_bytes(&list), model->bytes);
	KUNIT_ASSERT_EQ(test, 0, dma_map_rlist(dev, &cpu, &dma, DMA_FROM_DEVICE,
					       0, 0));
	/* The list is used as it is. */
	KUNIT_EXPECT_EQ(test, dma.how, RLIST_DMA_OFFSET);
	KUNIT_EXPECT_EQ(test, dma.store.bytes, 0);
	expect_seen(test, m, model, &dma);
	dma_unmap_rlist(dev, &dma);
	rlist_free(&list);
}

/* All of BAR 2 without pages, and held; where that begins */
static u64 hold_range(struct kunit *test, struct pci_dev *pdev,
		      struct p2pdma_resource **res)
{
	u64 start = pci_resource_start(pdev, 2);

	KUNIT_ASSERT_EQ(test, 0, pcim_p2pdma_add_range(pdev, 2, 0, 0));
	*res = pci_p2pdma_range_get(pdev, start, SZ_64K);
	KUNIT_ASSERT_NOT_NULL(test, *res);
	return start;
}

static void expect_stretches(struct kunit *test, const struct rlist_dma *dma,
			     const struct rlist_dma_range *expected, unsigned int count)
{
	struct rlist_dma_range range;
	struct rlist_dma_iter it;
	unsigned int i = 0;

	rlist_dma_for_each(&it, dma, &range) {
		KUNIT_ASSERT_LT(test, i, count);
		KUNIT_EXPECT_EQ(test, expected[i].addr, range.addr);
		KUNIT_EXPECT_EQ(test, expected[i++].len, range.len);
	}
	KUNIT_EXPECT_EQ(test, i, count);
}

/* What is mapped by its physical address need not have pages. */
static void ranges_need_no_pages(struct kunit *test)
{
	struct machine *m = build(test);
	struct device *dev = &m->client->pdev->dev;
	struct pci_dev *near = provider_of(m, NEAR), *far = provider_of(m, FAR);
	struct p2pdma_resource *held[2];
	u64 near_start = hold_range(test, near, &held[0]);
	u64 far_start = hold_range(test, far, &held[1]);
	const struct rlist_dma_range expected[] = {
		{ pci_bus_address(near, 2) + 100, 2 * PAGE_SIZE },
		{ phys_of(m, RAM), PAGE_SIZE },
		{ far_start, SZ_64K },
	};
	unsigned long since = pci_p2pdma_outages();
	struct rlist_cpu cpu;
	struct rlist_dma dma;
	struct rlist list;

	rlist_init(&list);
	KUNIT_ASSERT_EQ(test, 0, rlist_add_phys(&list, near_start + 100, 2 * PAGE_SIZE,
						near, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, rlist_add_phys(&list, phys_of(m, RAM), PAGE_SIZE, NULL,
						GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, rlist_add_phys(&list, far_start, SZ_64K, far, GFP_KERNEL));
	rlist_cpu_list(&cpu, &list);
	KUNIT_ASSERT_EQ(test, 0, dma_map_rlist(dev, &cpu, &dma, DMA_FROM_DEVICE, 0,
					       GFP_KERNEL));
	expect_stretches(test, &dma, expected, ARRAY_SIZE(expected));
	dma_unmap_rlist(dev, &dma);
	KUNIT_EXPECT_TRUE(test, rlist_intact(&cpu, since));

	pci_p2pdma_provider_down(far);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, dma_map_rlist(dev, &cpu, &dma, DMA_FROM_DEVICE,
							0, GFP_KERNEL));
	pci_p2pdma_provider_up(far);
	KUNIT_EXPECT_FALSE(test, rlist_intact(&cpu, since));
	rlist_free(&list);
	pci_p2pdma_range_put(held[0]);
	pci_p2pdma_range_put(held[1]);
}

/* Memory of somebody else, or of nobody, is not in a list. */
static void bad_ranges_are_refused(struct kunit *test)
{
	struct machine *m = build(test);
	struct pci_dev *near = provider_of(m, NEAR);
	phys_addr_t ram = phys_of(m, RAM), bar = pci_resource_start(near, 0);
	struct rlist_phys phys[] = {
		{ bar, PAGE_SIZE },
		{ phys_of(m, BESIDE), PAGE_SIZE },
	};
	u64 size = pci_resource_len(near, 0);
	struct rlist_cpu cpu;
	struct rlist list;

	rlist_init(&list);
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, ram, 0, NULL, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, ram, -ram, NULL, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, ram, U64_MAX, NULL, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, bar, 1, NULL, GFP_KERNEL));
	/* Nobody has registered anything there. */
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, bar - 1, 1, NULL, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, ram, 1, near, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, bar, 0, near, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, bar - 1, 2, near, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, bar, size + 1, near, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, bar + size, 1, near, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, bar + 1, size, near, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_cpu_phys(&cpu, phys, 2, near));
	KUNIT_EXPECT_EQ(test, 0, rlist_bytes(&list));
	KUNIT_EXPECT_EQ(test, 0, rlist_memory(&list));
	KUNIT_EXPECT_EQ(test, 0, rlist_cpu_phys(&cpu, phys, 1, near));
	KUNIT_EXPECT_EQ(test, 0, rlist_add_phys(&list, bar, size, near, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, 0, rlist_add_phys(&list, bar + size - 1, 1, near, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, size + 1, rlist_bytes(&list));
	rlist_free(&list);
}

/* Two resources that adjoin are two ranges: each has a verdict of its own. */
static void resources_are_not_merged(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *provider = endpoint_under(root_port(host_bridge(fabric)));
	struct rlist_range range;
	struct rlist_iter it;
	struct rlist_cpu cpu;
	struct pci_dev *pdev;
	struct rlist list;
	unsigned int n = 0;
	phys_addr_t middle;

	provider->bar[0].size = SZ_4M;
	fabric_scan(fabric);
	pdev = provider->pdev;
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_2M, 0));
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_2M, SZ_2M));
	middle = pci_resource_start(pdev, 0) + SZ_2M;
	rlist_init(&list);
	KUNIT_EXPECT_EQ(test, -EINVAL, rlist_add_phys(&list, middle - PAGE_SIZE,
						      2 * PAGE_SIZE, pdev, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, rlist_add_phys(&list, middle - PAGE_SIZE, PAGE_SIZE,
						pdev, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, rlist_add_phys(&list, middle, PAGE_SIZE, pdev,
						GFP_KERNEL));
	rlist_cpu_list(&cpu, &list);
	rlist_for_each(&it, &cpu, &range) {
		KUNIT_EXPECT_EQ(test, range.len, PAGE_SIZE);
		KUNIT_EXPECT_PTR_EQ(test, range.peer,
				    pci_p2pdma_find_resource(pdev, range.start, 1));
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, 2);
	rlist_free(&list);
}

/* Nor is a list mapped that has nothing in it, or memory without a route. */
static void what_cannot_be_mapped_is_refused(struct kunit *test)
{
	struct machine *m = build(test);
	struct device *dev = &m->client->pdev->dev;
	struct model *model = make_model(test);
	struct rlist_cpu cpu;
	struct rlist_dma dma;
	struct rlist list;

	rlist_init(&list);
	rlist_cpu_list(&cpu, &list);
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_map_rlist(dev, &cpu, &dma, DMA_TO_DEVICE,
						     0, GFP_KERNEL));
	add(test, &list, model, m, RAM, 0, PAGE_SIZE);
	add(test, &list, model, m, NEAR, 0, PAGE_SIZE);
	add(test, &list, model, m, AWAY, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, dma_map_rlist(dev, &cpu, &dma, DMA_TO_DEVICE,
							0, GFP_KERNEL));
	expect_ranges(test, m, model, &cpu);
	/* Its neighbours are not out of reach because of it. */
	rlist_free(&list);
	model->parts = 0;
	model->bytes = 0;
	add(test, &list, model, m, FAR, 0, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, dma_map_rlist(dev, &cpu, &dma, DMA_TO_DEVICE, 0, 0));
	expect_seen(test, m, model, &dma);
	dma_unmap_rlist(dev, &dma);
	/* It has to be in the device's reach: nothing stands in for peer memory. */
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(32)));
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, dma_map_rlist(dev, &cpu, &dma, DMA_TO_DEVICE,
							0, GFP_KERNEL));
	rlist_free(&list);
}

/*
 * The provider's port redirects completions to a root complex that does not route:
 * its memory can be written, and not be read.
 */
static void directions_are_asked_for(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *sw, *client, *provider;
	struct rlist_cpu cpu;
	struct rlist_dma dma;
	struct rlist list;
	struct device *dev;
	void *addr;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	sw = switch_under(root_port(host), 2);
	client = endpoint_under(downstream(sw, 0));
	provider = endpoint_under(downstream(sw, 1));
	with_acs(downstream(sw, 1), PCI_ACS_CR);
	fabric_scan(fabric);
	provider_register(test, provider);
	addr = provider_alloc(test, provider, PAGE_SIZE);
	dev = &client->pdev->dev;
	rlist_init(&list);
	KUNIT_ASSERT_EQ(test, 0, rlist_add_phys(&list, page_to_phys(virt_to_page(addr)),
						PAGE_SIZE, provider->pdev, GFP_KERNEL));
	rlist_cpu_list(&cpu, &list);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, dma_map_rlist(dev, &cpu, &dma, DMA_TO_DEVICE, 0, 0));
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, dma_map_rlist(dev, &cpu, &dma, DMA_BIDIRECTIONAL,
							0, 0));
	KUNIT_ASSERT_EQ(test, 0, dma_map_rlist(dev, &cpu, &dma, DMA_FROM_DEVICE, 0, 0));
	dma_unmap_rlist(dev, &dma);
	rlist_free(&list);
}

/*
 *	    root complex
 *	  /   |   |   ...  \
 *	one  two three    eighth provider
 */
static void too_many_resources_are_refused(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *provider[RLIST_PEERS + 1];
	struct rlist_range range;
	struct rlist_iter it;
	struct rlist_cpu cpu;
	struct rlist list;
	unsigned int n = 0;
	int i;

	for (i = 0; i <= RLIST_PEERS; i++)
		provider[i] = endpoint_under(root_port(host));
	fabric_scan(fabric);
	rlist_init(&list);
	for (i = 0; i <= RLIST_PEERS; i++) {
		provider_register(test, provider[i]);
		KUNIT_EXPECT_EQ(test, i == RLIST_PEERS ? -E2BIG : 0,
				rlist_add_phys(&list, pci_resource_start(provider[i]->pdev, 0),
					       PAGE_SIZE, provider[i]->pdev, GFP_KERNEL));
	}
	rlist_cpu_list(&cpu, &list);
	rlist_for_each(&it, &cpu, &range) {
		KUNIT_EXPECT_EQ(test, range.start,
				pci_resource_start(provider[n]->pdev, 0));
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, RLIST_PEERS);
	/* There is room for more of those that are in it. */
	KUNIT_EXPECT_EQ(test, 0, rlist_add_phys(&list, pci_resource_start(provider[0]->pdev, 0),
						PAGE_SIZE, provider[0]->pdev, GFP_KERNEL));
	rlist_free(&list);
}

/* ---- outages ---- */

/* Down between filling and mapping, up again, and down while it is mapped */
static void outages_are_found_out(struct kunit *test)
{
	struct machine *m = build(test);
	struct device *dev = &m->client->pdev->dev;
	struct model *model = make_model(test);
	struct pci_dev *near = provider_of(m, NEAR);
	unsigned long filled, mapped;
	struct rlist_cpu cpu;
	struct rlist_dma dma;
	struct rlist list;

	filled = pci_p2pdma_outages();
	rlist_init(&list);
	rlist_cpu_list(&cpu, &list);
	add(test, &list, model, m, RAM, 0, PAGE_SIZE);
	add(test, &list, model, m, BESIDE, 0, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, rlist_intact(&cpu, filled));
	pci_p2pdma_provider_down(near);
	/* It is not about that one. */
	KUNIT_EXPECT_TRUE(test, rlist_intact(&cpu, filled));
	add(test, &list, model, m, NEAR, 0, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, rlist_intact(&cpu, filled));
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, dma_map_rlist(dev, &cpu, &dma, DMA_TO_DEVICE,
							0, GFP_KERNEL));
	pci_p2pdma_provider_up(near);
	mapped = pci_p2pdma_outages();
	KUNIT_ASSERT_EQ(test, 0, dma_map_rlist(dev, &cpu, &dma, DMA_TO_DEVICE, 0, 0));
	KUNIT_EXPECT_TRUE(test, rlist_intact(&cpu, mapped));
	KUNIT_EXPECT_FALSE(test, rlist_intact(&cpu, filled));
	pci_p2pdma_provider_down(near);
	KUNIT_EXPECT_FALSE(test, rlist_intact(&cpu, mapped));
	expect_seen(test, m, model, &dma);
	pci_p2pdma_provider_up(near);
	KUNIT_EXPECT_FALSE(test, rlist_intact(&cpu, mapped));
	dma_unmap_rlist(dev, &dma);
	rlist_free(&list);
}

/* ---- range by range ---- */

#ifdef CONFIG_ARCH_HAS_DMA_OPS
static struct {
	struct kunit *test;
	unsigned int calls, mapped, fail_at;
	u64 bytes;
	unsigned long attrs;
} own;

static dma_addr_t own_map_page(struct device *dev, struct page *page,
			       unsigned long offset, size_t size,
			       enum dma_data_direction dir, unsigned long attrs)
{
	if (++own.calls == own.fail_at)
		return DMA_MAPPING_ERROR;
	own.mapped++;
	own.bytes += size;
	return page_to_phys(page) + offset + SZ_1G;
}

static void own_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	own.mapped--;
	own.bytes -= size;
	own.attrs = attrs;
}

/* Operations that know of pages only get RAM, and all of it back if one fails. */
static void other_operations_map_ram(struct kunit *test)
{
	static const struct dma_map_ops ops = {
		.map_page = own_map_page,
		.unmap_page = own_unmap_page,
	};
	struct machine *m = build(test);
	struct device *dev = &m->client->pdev->dev;
	struct model *model = make_model(test);
	struct rlist_cpu cpu;
	struct rlist_dma dma;
	struct rlist list;
	int i, error;

	memset(&own, 0, sizeof(own));
	rlist_init(&list);
	rlist_cpu_list(&cpu, &list);
	for (i = 0; i < 20; i++)
		add(test, &list, model, m, RAM, i * 2 * PAGE_SIZE + i % 2 * 512, PAGE_SIZE);
	set_dma_ops(dev, &ops);
	m->dma_offset = SZ_1G;
	for (own.fail_at = 1; own.fail_at <= 21; own.fail_at++) {
		own.calls = 0;
		error = dma_map_rlist(dev, &cpu, &dma, DMA_TO_DEVICE, 0, GFP_KERNEL);
		if (own.fail_at == 21)
			break;
		KUNIT_EXPECT_EQ(test, error, -EIO);
		KUNIT_EXPECT_EQ(test, own.mapped, 0);
		KUNIT_EXPECT_EQ(test, own.bytes, 0);
	}
	KUNIT_EXPECT_EQ(test, error, 0);
	KUNIT_EXPECT_EQ(test, own.mapped, 20);
	KUNIT_EXPECT_EQ(test, own.bytes, model->bytes);
	expect_seen(test, m, model, &dma);
	dma_unmap_rlist(dev, &dma);
	KUNIT_EXPECT_EQ(test, own.mapped, 0);
	KUNIT_EXPECT_EQ(test, own.bytes, 0);
	KUNIT_EXPECT_EQ(test, own.attrs, 0);
	add(test, &list, model, m, NEAR, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, dma_map_rlist(dev, &cpu, &dma, DMA_TO_DEVICE,
							0, GFP_KERNEL));
	set_dma_ops(dev, NULL);
	rlist_free(&list);
}
#endif

/* ---- random lists ---- */

static u64 draw(struct rnd_state *rnd, u64 below)
{
	return prandom_u32_state(rnd) % below;
}

/* Parts of any kind that there is a route to, where they happen to be */
static void draw_model(struct model *model, const struct machine *m,
		       struct rnd_state *rnd, bool pages)
{
	unsigned int n = 1 + draw(rnd, draw(rnd, 2) ? 5 : PARTS / 2);
	u64 offset = 0, len;
	enum memory kind = RAM;

	model->parts = 0;
	model->bytes = 0;
	while (n--) {
		/* Often behind the one before */
		if (draw(rnd, 2) || offset >= SIZE - PAGE_SIZE) {
			kind = draw(rnd, AWAY);
			offset = draw(rnd, SIZE - PAGE_SIZE);
		}
		len = draw(rnd, 3) ? 1 + draw(rnd, PAGE_SIZE) : PAGE_SIZE;
		if (pages) {
			offset = ALIGN_DOWN(offset, PAGE_SIZE);
			len = PAGE_SIZE;
		}
		len = min(len, SIZE - offset);
		model_add(model, m, kind, offset, len);
		offset += len;
	}
}

/* Space for a model in each of the storages */
struct storages {
	struct page *pages[PARTS];
	struct bio_vec bvec[PARTS];
	struct scatterlist sg[PARTS];
	struct rlist list, copy;
};

static struct page *part_page(const struct part *part)
{
	return pfn_to_page(PHYS_PFN(part->start));
}

static void fill_sg(struct storages *st, const struct model *model)
{
	const struct part *part;
	unsigned int i;

	sg_init_table(st->sg, model->parts);
	for (i = 0; i < model->parts; i++) {
		part = &model->part[i];
		sg_set_page(&st->sg[i], part_page(part), part->len,
			    offset_in_page(part->start));
	}
}

static struct bvec_iter fill_bvec(struct storages *st, const struct model *model)
{
	const struct part *part;
	unsigned int i;

	for (i = 0; i < model->parts; i++) {
		part = &model->part[i];
		bvec_set_page(&st->bvec[i], part_page(part), part->len,
			      offset_in_page(part->start));
	}
	return (struct bvec_iter) { .bi_size = model->bytes };
}

/* In segments of @max bytes that do not cross @boundary, and in blocks */
static void expect_broken_up(struct kunit *test, const struct machine *m,
			     const struct model *model,
			     const struct rlist_dma *dma, u64 max, u64 boundary)
{
	struct rlist_dma_limits limits = { .max_len = max, .boundary = boundary };
	struct stream s = { .model = model };
	struct rlist_dma_range range;
	struct rlist_dma_iter it;

	rlist_dma_begin(&it, dma);
	while (rlist_dma_next_segment(&it, &limits, &range)) {
		KUNIT_ASSERT_NE(test, range.len, 0);
		KUNIT_ASSERT_LE(test, range.len, max);
		KUNIT_ASSERT_EQ(test, range.addr & ~boundary,
				(range.addr + range.len - 1) & ~boundary);
		KUNIT_ASSERT_TRUE(test, model_next(&s, m, range.addr, range.len, true, NULL));
	}
	KUNIT_EXPECT_EQ(test, s.i, model->parts);
}

/* Memory of whole pages is in blocks of a page each, taken a few at a time. */
static void expect_blocks(struct kunit *test, const struct machine *m,
			  const struct model *model,
			  const struct rlist_dma *dma, unsigned int at_once)
{
	struct stream s = { .model = model };
	struct rlist_dma_iter it;
	dma_addr_t addr[7];
	long i, n;

	KUNIT_EXPECT_EQ(test, PAGE_SHIFT, rlist_dma_block_shift(dma, PAGE_SIZE));
	rlist_dma_begin(&it, dma);
	do {
		n = rlist_dma_blocks(&it, PAGE_SHIFT, addr, at_once);
		KUNIT_ASSERT_GE(test, n, 0);
		for (i = 0; i < n; i++)
			KUNIT_ASSERT_TRUE(test, model_next(&s, m, addr[i], PAGE_SIZE, true,
							   NULL));
	} while (n == at_once);
	KUNIT_EXPECT_EQ(test, s.i, model->parts);
}

static void expect_mapped(struct kunit *test, const struct machine *m,
			  const struct model *model, const struct rlist_cpu *cpu,
			  struct rnd_state *rnd, bool pages)
{
	struct device *dev = &m->client->pdev->dev;
	struct rlist_dma dma;

	expect_ranges(test, m, model, cpu);
	KUNIT_ASSERT_EQ(test, 0, dma_map_rlist(dev, cpu, &dma, DMA_BIDIRECTIONAL, 0,
					       GFP_KERNEL));
	expect_seen(test, m, model, &dma);
	expect_broken_up(test, m, model, &dma, 1 + draw(rnd, 3 * PAGE_SIZE),
			 BIT_ULL(9 + draw(rnd, 5)) - 1);
	expect_broken_up(test, m, model, &dma, 1 + draw(rnd, 3 * PAGE_SIZE), U64_MAX);
	expect_broken_up(test, m, model, &dma, U64_MAX, BIT_ULL(9 + draw(rnd, 5)) - 1);
	if (pages)
		expect_blocks(test, m, model, &dma, 1 + draw(rnd, 7));
	dma_unmap_rlist(dev, &dma);
}

/* The same ranges in each storage */
static void expect_in_storages(struct kunit *test, const struct machine *m,
			       const struct model *model, struct storages *st,
			       struct rnd_state *rnd, bool pages)
{
	const struct part *part = model->part;
	struct rlist_cpu cpu;
	unsigned int i;

	rlist_init(&st->list);
	rlist_init(&st->copy);
	for (i = 0; i < model->parts; i++, part++)
		KUNIT_ASSERT_EQ(test, 0, rlist_add_phys(&st->list, part->start, part->len,
							provider_of(m, part->kind), GFP_KERNEL));
	rlist_cpu_list(&cpu, &st->list);
	expect_mapped(test, m, model, &cpu, rnd, pages);
	fill_sg(st, model);
	rlist_cpu_sg(&cpu, st->sg, model->parts);
	expect_mapped(test, m, model, &cpu, rnd, pages);
	rlist_cpu_bvec(&cpu, st->bvec, fill_bvec(st, model));
	expect_mapped(test, m, model, &cpu, rnd, pages);
	KUNIT_ASSERT_EQ(test, 0, rlist_add(&st->copy, &cpu, GFP_KERNEL));
	rlist_cpu_list(&cpu, &st->copy);
	expect_mapped(test, m, model, &cpu, rnd, pages);
	if (pages) {
		for (i = 0; i < model->parts; i++)
			st->pages[i] = part_page(&model->part[i]);
		rlist_cpu_pages(&cpu, st->pages, 0, model->bytes);
		expect_mapped(test, m, model, &cpu, rnd, pages);
		rlist_free(&st->list);
		KUNIT_ASSERT_EQ(test, 0, rlist_add_pages(&st->list, st->pages, 0,
							 model->bytes, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, rlist_memory(&st->list), rlist_memory(&st->copy));
		rlist_cpu_list(&cpu, &st->list);
		expect_mapped(test, m, model, &cpu, rnd, pages);
	}
	rlist_free(&st->list);
	rlist_free(&st->copy);
}

/* All at once, or range by range, as the device sees memory elsewhere */
static void random_lists(struct kunit *test)
{
	static const struct bus_dma_region elsewhere[] = {
		{ .dma_start = SZ_16M, .size = BIT_ULL(52) }, { }
	};
	struct storages *st = kunit_kzalloc(test, sizeof(*st), GFP_KERNEL);
	struct model *model = make_model(test);
	struct machine *m = build(test);
	u32 from = seed ?: get_random_u32();
	unsigned int round;
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, st);
	kunit_info(test, "rlist_test.seed=%u repeats this\n", from);
	prandom_seed_state(&rnd, from);
	for (round = 0; round < 400; round++) {
		m->dma_offset = round % 4 == 3 ? SZ_16M : 0;
		m->client->pdev->dev.dma_range_map = m->dma_offset ? elsewhere : NULL;
		draw_model(model, m, &rnd, round % 2);
		expect_in_storages(test, m, model, st, &rnd, round % 2);
	}
	m->client->pdev->dev.dma_range_map = NULL;
}

/* Part of the first page and of the last, as user memory is */
static void pages_may_begin_and_end_anywhere(struct kunit *test)
{
	struct storages *st = kunit_kzalloc(test, sizeof(*st), GFP_KERNEL);
	struct model *model = make_model(test);
	struct machine *m = build(test);
	struct rlist_cpu cpu, list;
	struct rnd_state rnd;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, st);
	prandom_seed_state(&rnd, 1);
	model_add(model, m, NEAR, PAGE_SIZE - 100, 100);
	for (i = 1; i < 9; i++)
		model_add(model, m, i < 5 ? RAM : BESIDE, (i % 3 + i) * PAGE_SIZE, PAGE_SIZE);
	model_add(model, m, FAR, 0, 1);
	for (i = 0; i < model->parts; i++)
		st->pages[i] = part_page(&model->part[i]);
	rlist_cpu_pages(&cpu, st->pages, PAGE_SIZE - 100, model->bytes);
	expect_mapped(test, m, model, &cpu, &rnd, false);
	rlist_init(&st->list);
	KUNIT_ASSERT_EQ(test, 0, rlist_add_pages(&st->list, st->pages, PAGE_SIZE - 100,
						 model->bytes, GFP_KERNEL));
	rlist_cpu_list(&list, &st->list);
	expect_mapped(test, m, model, &list, &rnd, false);
	rlist_free(&st->list);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_mixed_list_is_mapped),
	KUNIT_CASE(ranges_need_no_pages),
	KUNIT_CASE(bad_ranges_are_refused),
	KUNIT_CASE(resources_are_not_merged),
	KUNIT_CASE(what_cannot_be_mapped_is_refused),
	KUNIT_CASE(directions_are_asked_for),
	KUNIT_CASE(too_many_resources_are_refused),
	KUNIT_CASE(outages_are_found_out),
#ifdef CONFIG_ARCH_HAS_DMA_OPS
	KUNIT_CASE(other_operations_map_ram),
#endif
	KUNIT_CASE(random_lists),
	KUNIT_CASE(pages_may_begin_and_end_anywhere),
	{}
};

static struct kunit_suite suite = {
	.name = "p2pdma_rlist",
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_DESCRIPTION("KUnit suite of range lists");
MODULE_LICENSE("GPL");
