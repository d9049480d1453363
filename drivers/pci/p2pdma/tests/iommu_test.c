// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of lists behind an IOMMU that translates, which is made of memory
 * as the fabric is: it notes each page that dma-iommu maps, and how, and can
 * fail.  A switch and an IOMMU in one machine is what QEMU cannot show.
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/prandom.h>
#include <linux/random.h>
#ifdef CONFIG_RLIST_KUNIT_TEST
#include <linux/rlist.h>
#endif
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>
#include <linux/xarray.h>

#include "fabric.h"
#include "provider.h"

#define BUS	PCI_P2PDMA_MAP_BUS_ADDR
#define HOST	PCI_P2PDMA_MAP_THRU_HOST_BRIDGE
#define REFUSED	PCI_P2PDMA_MAP_NOT_SUPPORTED

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "of the random lists; 0 draws one");

/* ---- the IOMMU ---- */

/*
 * So little that addresses which are not given back are missed soon.  An IOMMU
 * that invalidates later keeps them for a while, and has enough.
 */
#define APERTURE	SZ_4M

/**
 * struct fake_domain - what a device sees
 * @domain: for the kernel
 * @pages: page number of an IOVA -> page number << 8 | IOMMU_* flags
 */
struct fake_domain {
	struct iommu_domain domain;
	struct xarray pages;
};

static struct {
	struct iommu_device iommu;
	bool lazy;
	unsigned int mapped;	/* pages, so far */
	unsigned int fail_at;	/* this one cannot be mapped, if not 0 */
	int error;		/* because of that */
	unsigned int wrong;	/* mapped twice, or unmapped without being mapped */
	unsigned int syncs;	/* invalidations that an unmapping waited for */
} fake;

static struct fake_domain *to_fake(struct iommu_domain *domain)
{
	return container_of(domain, struct fake_domain, domain);
}

static int fake_map(struct iommu_domain *domain, unsigned long iova,
		    phys_addr_t phys, size_t size, size_t count, int prot,
		    gfp_t gfp, size_t *mapped)
{
	struct xarray *pages = &to_fake(domain)->pages;
	void *entry;

	for (; count--; iova += size, phys += size, *mapped += size) {
		if (++fake.mapped == fake.fail_at)
			return fake.error;
		entry = xa_mk_value(PHYS_PFN(phys) << 8 | prot);
		entry = xa_store(pages, PHYS_PFN(iova), entry, gfp);
		if (entry)
			fake.wrong++;
		if (xa_is_err(entry))
			return xa_err(entry);
	}
	return 0;
}

static size_t fake_unmap(struct iommu_domain *domain, unsigned long iova,
			 size_t size, size_t count,
			 struct iommu_iotlb_gather *gather)
{
	size_t unmapped = 0;

	for (; count--; iova += size, unmapped += size) {
		if (!xa_erase(&to_fake(domain)->pages, PHYS_PFN(iova))) {
			fake.wrong++;
			break;
		}
	}
	return unmapped;
}

static phys_addr_t fake_iova_to_phys(struct iommu_domain *domain,
				     dma_addr_t iova)
{
	void *entry = xa_load(&to_fake(domain)->pages, PHYS_PFN(iova));

	return entry ? PFN_PHYS(xa_to_value(entry) >> 8) + offset_in_page(iova) :
		       0;
}

static void fake_sync(struct iommu_domain *domain,
		      struct iommu_iotlb_gather *gather)
{
	fake.syncs++;
}

/* From a timer, when it is lazy */
static void fake_flush(struct iommu_domain *domain)
{
}

static int fake_attach(struct iommu_domain *domain, struct device *dev)
{
	return 0;
}

static void fake_free(struct iommu_domain *domain)
{
	xa_destroy(&to_fake(domain)->pages);
	kfree(to_fake(domain));
}

static const struct iommu_domain_ops fake_domain_ops = {
	.attach_dev = fake_attach,
	.map_pages = fake_map,
	.unmap_pages = fake_unmap,
	.flush_iotlb_all = fake_flush,
	.iotlb_sync = fake_sync,
	.iova_to_phys = fake_iova_to_phys,
	.free = fake_free,
};

static struct iommu_domain *fake_alloc(struct device *dev)
{
	struct fake_domain *fd = kzalloc(sizeof(*fd), GFP_KERNEL);

	if (!fd)
		return NULL;
	xa_init(&fd->pages);
	fd->domain.geometry.force_aperture = true;
	fd->domain.geometry.aperture_end = (fake.lazy ? SZ_2G : APERTURE) - 1;
	return &fd->domain;
}

/* The endpoints of a fabric are behind it, and nothing else. */
static struct iommu_device *fake_probe(struct device *dev)
{
	if (!dev_is_pci(dev) || to_pci_dev(dev)->device != FABRIC_DEVICE ||
	    to_pci_dev(dev)->bus->ops != &fabric_config_ops)
		return ERR_PTR(-ENODEV);
	return &fake.iommu;
}

static bool fake_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY ||
	       cap == IOMMU_CAP_DEFERRED_FLUSH;
}

static int fake_domain_type(struct device *dev)
{
	return fake.lazy ? IOMMU_DOMAIN_DMA_FQ : IOMMU_DOMAIN_DMA;
}

static const struct iommu_ops fake_ops = {
	.capable = fake_capable,
	.domain_alloc_paging = fake_alloc,
	.probe_device = fake_probe,
	.device_group = generic_device_group,
	.def_domain_type = fake_domain_type,
	.default_domain_ops = &fake_domain_ops,
	.pgsize_bitmap = PAGE_SIZE,
};

static void fake_remove(void *unused)
{
	iommu_device_unregister(&fake.iommu);
	iommu_device_sysfs_remove(&fake.iommu);
}

/* Before there is a fabric, so that it goes after it. */
static void fake_add(struct kunit *test, bool lazy)
{
	memset(&fake, 0, sizeof(fake));
	fake.lazy = lazy;
	KUNIT_ASSERT_EQ(test, 0, iommu_device_sysfs_add(&fake.iommu, NULL, NULL,
							"p2pdma-test"));
	if (iommu_device_register(&fake.iommu, &fake_ops, NULL)) {
		iommu_device_sysfs_remove(&fake.iommu);
		KUNIT_FAIL_AND_ABORT(test, "no IOMMU");
	}
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, fake_remove,
							   NULL));
}

/* ---- the machine ---- */

#define ENTRIES		6
#define PIECE		(2 * PAGE_SIZE)
#define MOST		(ENTRIES * PIECE / PAGE_SIZE + 1)

enum kind { RAM, NEAR, FAR, AWAY, KINDS };

/*
 *		 IOMMU
 *	    root complex		root complex that does not route
 *	     /	      \			     |
 *	upstream    root port		root port
 *	 /    \		|		     |
 *	client near    far		   away
 */
struct machine {
	struct fabric_fn *client;
	struct fabric_fn *provider[KINDS];
	/* Pieces of each are neighbours. */
	u8 *memory[KINDS];
	struct fake_domain *domain;
};

static void free_ram(void *addr)
{
	free_pages_exact(addr, ENTRIES * PIECE);
}

static void build(struct kunit *test, struct machine *m, bool lazy)
{
	struct fabric_host *host, *other;
	struct iommu_domain *domain;
	struct fabric *fabric;
	struct fabric_fn *sw;
	int i;

	fake_add(test, lazy);
	fabric = fabric_alloc(test);
	host = host_bridge(fabric);
	other = host_bridge(fabric);
	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	root_device(other, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	sw = switch_under(root_port(host), 2);
	m->client = endpoint_under(downstream(sw, 0));
	m->provider[RAM] = NULL;
	m->provider[NEAR] = endpoint_under(downstream(sw, 1));
	m->provider[FAR] = endpoint_under(root_port(host));
	m->provider[AWAY] = endpoint_under(root_port(other));
	fabric_scan(fabric);
	if (!use_dma_iommu(&m->client->pdev->dev))
		kunit_skip(test, "there is another IOMMU");
	domain = iommu_get_domain_for_dev(&m->client->pdev->dev);
	KUNIT_ASSERT_EQ(test, domain->type, fake_domain_type(NULL));
	m->domain = to_fake(domain);

	m->memory[RAM] = alloc_pages_exact(ENTRIES * PIECE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->memory[RAM]);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_ram,
							   m->memory[RAM]));
	for (i = NEAR; i < KINDS; i++) {
		provider_register(test, m->provider[i]);
		m->memory[i] = provider_alloc(test, m->provider[i], ENTRIES * PIECE);
	}
}

/**
 * struct list - a scatterlist, and what it is made of
 * @sg: the list
 * @before: as it was before it was mapped
 * @table: the list, for the DMA API
 * @kind: of the memory of each entry
 */
struct list {
	struct scatterlist sg[ENTRIES];
	struct scatterlist before[ENTRIES];
	struct sg_table table;
	enum kind kind[ENTRIES];
};

static void list_begin(struct list *list, unsigned int entries)
{
	sg_init_table(list->sg, entries);
	list->table.sgl = list->sg;
	list->table.nents = entries;
	list->table.orig_nents = entries;
}

static void list_set(struct list *list, const struct machine *m, int i,
		     enum kind kind, unsigned int offset, unsigned int len)
{
	list->kind[i] = kind;
	sg_set_buf(&list->sg[i], m->memory[kind] + i * PIECE + offset, len);
	/* As a driver has them that maps a list again */
	sg_dma_address(&list->sg[i]) = 123;
	sg_dma_len(&list->sg[i]) = 456;
}

/* Whole pieces of these kinds */
static void list_make(struct list *list, const struct machine *m,
		      const enum kind *kinds, int entries)
{
	int i;

	list_begin(list, entries);
	for (i = 0; i < entries; i++)
		list_set(list, m, i, kinds[i], 0, PIECE);
}

static int map(struct list *list, const struct machine *m,
	       enum dma_data_direction dir)
{
	memcpy(list->before, list->sg, sizeof(list->sg));
	return dma_map_sgtable(&m->client->pdev->dev, &list->table, dir, 0);
}

/* Nothing is mapped, and the list is what it was. */
static void expect_restored(struct kunit *test, const struct machine *m,
			    struct list *list)
{
	int i;

	KUNIT_ASSERT_TRUE(test, xa_empty(&m->domain->pages));
	KUNIT_ASSERT_EQ(test, fake.wrong, 0);
	for (i = 0; i < list->table.orig_nents; i++) {
		KUNIT_ASSERT_EQ(test, list->sg[i].page_link, list->before[i].page_link);
		KUNIT_ASSERT_EQ(test, list->sg[i].offset, list->before[i].offset);
		KUNIT_ASSERT_EQ(test, list->sg[i].length, list->before[i].length);
		KUNIT_ASSERT_FALSE(test, sg_dma_is_bus_address(&list->sg[i]));
	}
}

/* Each page of [@iova, @iova + @len) is the memory at @phys, mapped for its @kind. */
static void expect_translated(struct kunit *test, const struct machine *m,
			      dma_addr_t iova, phys_addr_t phys,
			      unsigned int len, enum kind kind)
{
	unsigned int step, flags;
	void *entry;

	for (; len; iova += step, phys += step, len -= step) {
		step = min(len, PAGE_SIZE - offset_in_page(iova));
		entry = xa_load(&m->domain->pages, PHYS_PFN(iova));
		KUNIT_ASSERT_NOT_NULL(test, entry);
		KUNIT_ASSERT_EQ(test, phys, fake_iova_to_phys(&m->domain->domain, iova));
		flags = xa_to_value(entry) & (IOMMU_MMIO | IOMMU_CACHE);
		KUNIT_ASSERT_EQ(test, flags, kind == RAM ? IOMMU_CACHE : IOMMU_MMIO);
	}
}

/* The output of the mapping is the list, byte by byte, each in the right way. */
static void expect_mapped(struct kunit *test, const struct machine *m,
			  struct list *list)
{
	unsigned int i, len, done = 0, in = 0;
	struct scatterlist *out, *sg;
	dma_addr_t addr;
	u32 left;

	for_each_sgtable_dma_sg(&list->table, out, i) {
		addr = sg_dma_address(out);
		for (left = sg_dma_len(out); left; left -= len, addr += len) {
			KUNIT_ASSERT_LT(test, in, list->table.orig_nents);
			sg = &list->sg[in];
			len = min(left, sg->length - done);
			KUNIT_ASSERT_EQ(test, sg_dma_is_bus_address(out),
					list->kind[in] == NEAR);
			if (list->kind[in] == NEAR) {
				/* A segment of its own */
				KUNIT_ASSERT_EQ(test, addr,
						provider_bus_address(m->provider[NEAR],
								     sg_virt(sg)));
				KUNIT_ASSERT_EQ(test, sg_dma_len(out), sg->length);
			} else {
				expect_translated(test, m, addr, sg_phys(sg) + done,
						  len, list->kind[in]);
			}
			done += len;
			if (done == sg->length) {
				done = 0;
				in++;
			}
		}
	}
	KUNIT_ASSERT_EQ(test, in, list->table.orig_nents);
	KUNIT_ASSERT_EQ(test, done, 0);
}

static void unmap(struct kunit *test, const struct machine *m,
		  struct list *list, enum dma_data_direction dir)
{
	bool translated = !xa_empty(&m->domain->pages);
	unsigned int before = fake.syncs;

	dma_unmap_sgtable(&m->client->pdev->dev, &list->table, dir, 0);
	expect_restored(test, m, list);
	KUNIT_ASSERT_EQ(test, fake.syncs - before, translated && !fake.lazy);
}

static bool holds(const struct list *list, enum kind kind)
{
	int i;

	for (i = 0; i < list->table.orig_nents; i++)
		if (list->kind[i] == kind)
			return true;
	return false;
}

/* ---- the same as a range list ---- */

#ifdef CONFIG_RLIST_KUNIT_TEST

/**
 * struct ranges - the memory of a scatterlist, as ranges
 * @stored: in a list of its own
 * @cpu: in that, or where it is
 * @dma: and mapped
 */
struct ranges {
	struct rlist stored;
	struct rlist_cpu cpu;
	struct rlist_dma dma;
};

static int ranges_map(struct ranges *ranges, struct list *list,
		      const struct machine *m, enum dma_data_direction dir,
		      bool stored)
{
	int error;

	rlist_init(&ranges->stored);
	rlist_cpu_sg(&ranges->cpu, list->sg, list->table.orig_nents);
	if (stored) {
		error = rlist_add(&ranges->stored, &ranges->cpu, GFP_KERNEL);
		if (error)
			return error;
		rlist_cpu_list(&ranges->cpu, &ranges->stored);
	}
	error = dma_map_rlist(&m->client->pdev->dev, &ranges->cpu, &ranges->dma,
			      dir, 0, GFP_KERNEL);
	if (error)
		rlist_free(&ranges->stored);
	return error;
}

/* As expect_mapped(), but what adjoins may have become one */
static void expect_ranges(struct kunit *test, const struct machine *m,
			  const struct list *list, const struct ranges *ranges)
{
	unsigned int len, done = 0, in = 0;
	const struct scatterlist *sg;
	struct rlist_dma_range out;
	struct rlist_dma_iter it;
	u64 before = 0;

	rlist_dma_for_each(&it, &ranges->dma, &out) {
		/* Only where memory of another kind begins */
		if (out.addr == before)
			KUNIT_ASSERT_NE(test, list->kind[in], list->kind[in - 1]);
		before = out.addr + out.len;
		for (; out.len; out.len -= len, out.addr += len) {
			KUNIT_ASSERT_LT(test, in, list->table.orig_nents);
			sg = &list->sg[in];
			len = min(out.len, sg->length - done);
			if (list->kind[in] == NEAR)
				KUNIT_ASSERT_EQ(test, out.addr, done +
						provider_bus_address(m->provider[NEAR],
								     sg_virt((void *)sg)));
			else
				expect_translated(test, m, out.addr,
						  sg_phys((void *)sg) + done, len,
						  list->kind[in]);
			done += len;
			if (done == sg->length) {
				done = 0;
				in++;
			}
		}
	}
	KUNIT_ASSERT_EQ(test, in, list->table.orig_nents);
	KUNIT_ASSERT_EQ(test, done, 0);
}

static void ranges_unmap(struct kunit *test, const struct machine *m,
			 struct ranges *ranges)
{
	bool translated = !xa_empty(&m->domain->pages);
	unsigned int before = fake.syncs;

	dma_unmap_rlist(&m->client->pdev->dev, &ranges->dma);
	rlist_free(&ranges->stored);
	KUNIT_ASSERT_TRUE(test, xa_empty(&m->domain->pages));
	KUNIT_ASSERT_EQ(test, fake.wrong, 0);
	KUNIT_ASSERT_EQ(test, fake.syncs - before, translated && !fake.lazy);
}

/* Mapped from where it is stored, and from a list */
static void expect_as_ranges(struct kunit *test, const struct machine *m,
			     struct list *list, enum dma_data_direction dir,
			     int error)
{
	struct ranges ranges;
	int stored;

	for (stored = 0; stored < 2; stored++) {
		KUNIT_ASSERT_EQ(test, error, ranges_map(&ranges, list, m, dir, stored));
		if (error) {
			expect_restored(test, m, list);
			continue;
		}
		expect_ranges(test, m, list, &ranges);
		ranges_unmap(test, m, &ranges);
	}
}
#else
static void expect_as_ranges(struct kunit *test, const struct machine *m,
			     struct list *list, enum dma_data_direction dir,
			     int error)
{
}
#endif

/* ---- the cases ---- */

static const struct mode {
	const char *name;
	bool lazy;
} modes[] = { { "strict", false }, { "lazy", true } };

KUNIT_ARRAY_PARAM_DESC(mode, modes, name);

/* Bus addresses take no IOVA and no translation. */
static void iommu_bus_addresses(struct kunit *test)
{
	static const enum kind kinds[] = { NEAR, NEAR, NEAR };
	const struct mode *mode = test->param_value;
	struct list list;
	struct machine m;

	build(test, &m, mode->lazy);
	list_make(&list, &m, kinds, ARRAY_SIZE(kinds));
	KUNIT_ASSERT_EQ(test, 0, map(&list, &m, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, list.table.nents, 3);
	KUNIT_EXPECT_EQ(test, fake.mapped, 0);
	expect_mapped(test, &m, &list);
	unmap(test, &m, &list, DMA_BIDIRECTIONAL);
	expect_as_ranges(test, &m, &list, DMA_BIDIRECTIONAL, 0);
	KUNIT_EXPECT_EQ(test, fake.mapped, 0);
}

/* Whatever is in a list, in whichever order. */
static void iommu_random(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE,
	};
	unsigned int i, n, kinds, round, offset, len, mapped = 0, refused = 0;
	const struct mode *mode = test->param_value;
	u32 from = seed ?: get_random_u32();
	enum dma_data_direction dir;
	struct rnd_state rnd;
	struct list list;
	struct machine m;
	int ret;

	kunit_info(test, "iommu_test.seed=%u repeats this\n", from);
	prandom_seed_state(&rnd, from);
	build(test, &m, mode->lazy);
	for (round = 0; round < 400; round++) {
		dir = dirs[prandom_u32_state(&rnd) % ARRAY_SIZE(dirs)];
		n = 1 + prandom_u32_state(&rnd) % ENTRIES;
		/* Mostly without what is refused */
		kinds = prandom_u32_state(&rnd) % 4 ? AWAY : KINDS;
		list_begin(&list, n);
		for (i = 0; i < n; i++) {
			offset = prandom_u32_state(&rnd) % PIECE;
			len = 1 + prandom_u32_state(&rnd) % (PIECE - offset);
			/* Often all of it, so that there are neighbours */
			if (prandom_u32_state(&rnd) % 2) {
				offset = 0;
				len = PIECE;
			}
			list_set(&list, &m, i, prandom_u32_state(&rnd) % kinds,
				 offset, len);
		}
		ret = map(&list, &m, dir);
		if (holds(&list, AWAY)) {
			KUNIT_ASSERT_EQ(test, ret, -EREMOTEIO);
			expect_restored(test, &m, &list);
			expect_as_ranges(test, &m, &list, dir, ret);
			refused++;
			continue;
		}
		KUNIT_ASSERT_EQ(test, ret, 0);
		expect_mapped(test, &m, &list);
		unmap(test, &m, &list, dir);
		expect_as_ranges(test, &m, &list, dir, 0);
		mapped++;
	}
	KUNIT_EXPECT_GT(test, mapped, 200);
	KUNIT_EXPECT_GT(test, refused, 10);
}

/* What the IOMMU says, and what the caller is told of it then */
static const struct failure {
	const char *name;
	int error;
	int ram;
	int peer;
} failures[] = {
	{ "out_of_memory", -ENOMEM, -ENOMEM, -ENOMEM },
	{ "no_such_mapping", -EINVAL, -EINVAL, -EREMOTEIO },
};

KUNIT_ARRAY_PARAM_DESC(failure, failures, name);

/*
 * The IOMMU fails at each page in turn: what had been mapped before is unmapped
 * and its addresses are free again.
 */
static void iommu_fails(struct kunit *test)
{
	static const enum kind lists[][ENTRIES] = {
		{ RAM, RAM, RAM, RAM, RAM, RAM },
		{ FAR, FAR, FAR, FAR, FAR, FAR },
		{ NEAR, RAM, NEAR, FAR, RAM, NEAR },
		{ RAM, FAR, RAM, FAR, RAM, FAR },
		{ FAR, NEAR, FAR, NEAR, NEAR, FAR },
	};
	const struct failure *failure = test->param_value;
	unsigned int i, nth, round;
	struct list list;
	struct machine m;
	int ret;

	build(test, &m, false);
	fake.error = failure->error;
	for (round = 0; round < 10; round++) {
		for (i = 0; i < ARRAY_SIZE(lists); i++) {
			for (nth = 1; ; nth++) {
				KUNIT_ASSERT_LE(test, nth, MOST);
				list_make(&list, &m, lists[i], ENTRIES);
				fake.fail_at = fake.mapped + nth;
				ret = map(&list, &m, DMA_TO_DEVICE);
				if (!ret)
					break;
				KUNIT_ASSERT_EQ(test, ret, holds(&list, FAR) ?
						failure->peer : failure->ram);
				expect_restored(test, &m, &list);
			}
			fake.fail_at = 0;
			KUNIT_ASSERT_GT(test, nth, 5);
			expect_mapped(test, &m, &list);
			unmap(test, &m, &list, DMA_TO_DEVICE);
		}
	}
}

#ifdef CONFIG_RLIST_KUNIT_TEST
/* As range lists: what is of RAM fails as RAM does in dma_map_sgtable(). */
static void iommu_fails_ranges(struct kunit *test)
{
	static const enum kind lists[][ENTRIES] = {
		{ RAM, RAM, RAM, RAM, RAM, RAM },
		{ FAR, FAR, FAR, FAR, FAR, FAR },
		{ NEAR, RAM, NEAR, FAR, RAM, NEAR },
	};
	const struct failure *failure = test->param_value;
	unsigned int i, nth, round;
	struct ranges ranges;
	struct list list;
	struct machine m;
	int ret;

	build(test, &m, false);
	fake.error = failure->error;
	for (round = 0; round < 30; round++) {
		i = round % ARRAY_SIZE(lists);
		for (nth = 1; ; nth++) {
			KUNIT_ASSERT_LE(test, nth, MOST);
			list_make(&list, &m, lists[i], ENTRIES);
			memcpy(list.before, list.sg, sizeof(list.sg));
			fake.fail_at = fake.mapped + nth;
			ret = ranges_map(&ranges, &list, &m, DMA_TO_DEVICE, round % 2);
			if (!ret)
				break;
			if (failure->error == -ENOMEM)
				KUNIT_ASSERT_EQ(test, ret, -ENOMEM);
			else
				KUNIT_ASSERT_TRUE(test, (ret == -EIO && holds(&list, RAM)) ||
						  (ret == -EREMOTEIO && holds(&list, FAR)));
			expect_restored(test, &m, &list);
		}
		fake.fail_at = 0;
		KUNIT_ASSERT_GT(test, nth, 5);
		expect_ranges(test, &m, &list, &ranges);
		ranges_unmap(test, &m, &ranges);
	}
}

/*
 * One range of IOVA space for whole pages, wherever they are: nothing to put
 * together, and nothing to look at.
 */
static void iommu_single_range(struct kunit *test)
{
	static const enum kind kinds[] = { RAM, RAM, RAM, RAM };
	struct rlist_dma_range range;
	struct rlist_dma_iter it;
	struct ranges ranges;
	struct list list;
	struct machine m;
	int i;

	build(test, &m, false);
	list_begin(&list, 4);
	for (i = 0; i < 4; i++)
		list_set(&list, &m, i, kinds[i], 0, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, ranges_map(&ranges, &list, &m, DMA_TO_DEVICE, true));
	expect_ranges(test, &m, &list, &ranges);
	rlist_dma_begin(&it, &ranges.dma);
	KUNIT_ASSERT_TRUE(test, rlist_dma_next(&it, &range));
	KUNIT_EXPECT_EQ(test, range.len, 4 * PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, rlist_dma_next(&it, &range));
	KUNIT_EXPECT_EQ(test, fake.mapped, 4);
	ranges_unmap(test, &m, &ranges);
}

/* Is the page at @phys mapped anywhere? */
static bool fake_sees(const struct machine *m, phys_addr_t phys)
{
	unsigned long index;
	void *entry;

	xa_for_each(&m->domain->pages, index, entry)
		if (xa_to_value(entry) >> 8 == PHYS_PFN(phys))
			return true;
	return false;
}

/*
 * Of a page that a device gets a part of, it does not see the rest if it is not
 * trusted.
 */
static void iommu_untrusted_ranges(struct kunit *test)
{
	static const enum kind ram[] = { RAM };
	struct ranges ranges;
	struct device *dev;
	struct list list;
	struct machine m;
	int ret;

	if (!IS_ENABLED(CONFIG_SWIOTLB))
		kunit_skip(test, "needs CONFIG_SWIOTLB");
	build(test, &m, false);
	dev = &m.client->pdev->dev;
	m.client->pdev->untrusted = true;
	list_make(&list, &m, ram, 1);
	KUNIT_ASSERT_EQ(test, 0, ranges_map(&ranges, &list, &m, DMA_TO_DEVICE, true));
	expect_ranges(test, &m, &list, &ranges);
	ranges_unmap(test, &m, &ranges);
	list_set(&list, &m, 0, RAM, 512, 512);
	ret = ranges_map(&ranges, &list, &m, DMA_TO_DEVICE, true);
	KUNIT_EXPECT_EQ(test, ret, is_swiotlb_active(dev) ? 0 : -EIO);
	KUNIT_EXPECT_FALSE(test, fake_sees(&m, virt_to_phys(m.memory[RAM])));
	if (!ret)
		ranges_unmap(test, &m, &ranges);
}

/* Range by range, as for one that is not trusted: all of it or nothing */
static void iommu_fails_each(struct kunit *test)
{
	static const enum kind ram[ENTRIES] = { };
	struct ranges ranges;
	struct device *dev;
	unsigned int nth;
	struct list list;
	struct machine m;
	int ret;

	if (!IS_ENABLED(CONFIG_SWIOTLB))
		kunit_skip(test, "needs CONFIG_SWIOTLB");
	build(test, &m, false);
	dev = &m.client->pdev->dev;
	m.client->pdev->untrusted = true;
	fake.error = -ENOMEM;
	list_make(&list, &m, ram, ENTRIES);
	memcpy(list.before, list.sg, sizeof(list.sg));
	for (nth = 1; ; nth++) {
		KUNIT_ASSERT_LE(test, nth, MOST);
		fake.fail_at = fake.mapped + nth;
		/* An entry is a range there, as what is stored is not merged */
		ret = ranges_map(&ranges, &list, &m, DMA_TO_DEVICE, false);
		if (!ret)
			break;
		KUNIT_ASSERT_EQ(test, ret, -EIO);
		expect_restored(test, &m, &list);
	}
	fake.fail_at = 0;
	KUNIT_EXPECT_EQ(test, nth, MOST);
	expect_ranges(test, &m, &list, &ranges);
	dma_unmap_rlist(dev, &ranges.dma);
	expect_restored(test, &m, &list);
}
#endif

/*
 * The mask is for the address that the device uses: the bus address, or the
 * IOVA.
 */
static void iommu_dma_mask(struct kunit *test)
{
	static const enum kind near = NEAR, far = FAR;
	struct list list;
	struct machine m;

	build(test, &m, false);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(&m.client->pdev->dev,
					      DMA_BIT_MASK(32)));
	list_make(&list, &m, &near, 1);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, map(&list, &m, DMA_TO_DEVICE));
	expect_restored(test, &m, &list);
	expect_as_ranges(test, &m, &list, DMA_TO_DEVICE, -EREMOTEIO);
	list_make(&list, &m, &far, 1);
	KUNIT_ASSERT_EQ(test, 0, map(&list, &m, DMA_TO_DEVICE));
	expect_mapped(test, &m, &list);
	unmap(test, &m, &list, DMA_TO_DEVICE);
	expect_as_ranges(test, &m, &list, DMA_TO_DEVICE, 0);
}

/*
 * The buffers of a device that is not trusted are bounced, which no peer memory
 * can be.
 */
static void iommu_untrusted(struct kunit *test)
{
	static const enum kind ram[] = { RAM }, mixed[] = { RAM, FAR };
	struct list list;
	struct machine m;

	if (!IS_ENABLED(CONFIG_SWIOTLB))
		kunit_skip(test, "needs CONFIG_SWIOTLB");
	build(test, &m, false);
	m.client->pdev->untrusted = true;
	list_make(&list, &m, ram, 1);
	KUNIT_ASSERT_EQ(test, 0, map(&list, &m, DMA_TO_DEVICE));
	unmap(test, &m, &list, DMA_TO_DEVICE);
	list_make(&list, &m, mixed, 2);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, map(&list, &m, DMA_TO_DEVICE));
	expect_restored(test, &m, &list);
	expect_as_ranges(test, &m, &list, DMA_TO_DEVICE, -EREMOTEIO);
}

static struct kunit_case iommu_cases[] = {
	KUNIT_CASE_PARAM(iommu_bus_addresses, mode_gen_params),
	KUNIT_CASE_PARAM(iommu_random, mode_gen_params),
	KUNIT_CASE_PARAM(iommu_fails, failure_gen_params),
	KUNIT_CASE(iommu_dma_mask),
	KUNIT_CASE(iommu_untrusted),
#ifdef CONFIG_RLIST_KUNIT_TEST
	KUNIT_CASE_PARAM(iommu_fails_ranges, failure_gen_params),
	KUNIT_CASE(iommu_single_range),
	KUNIT_CASE(iommu_untrusted_ranges),
	KUNIT_CASE(iommu_fails_each),
#endif
	{}
};

static struct kunit_suite iommu_suite = {
	.name = "p2pdma_iommu",
	.test_cases = iommu_cases,
};

kunit_test_suite(iommu_suite);

MODULE_DESCRIPTION("KUnit suite of P2PDMA behind an IOMMU");
MODULE_LICENSE("GPL");
