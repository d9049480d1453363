// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of range.c: memory that is registered without struct pages, who
 * reaches it by which address, and who holds it while it goes.
 */
#include <kunit/test.h>
#include <linux/dma-direction.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/sizes.h>

#include "../p2pdma.h"
#include "../peers.h"
#include "fabric.h"
#include "provider.h"

#define AT	(SZ_64K + PAGE_SIZE)	/* nothing that has pages begins there */
#define LEN	(3 * PAGE_SIZE)

/*
 *	    root port 0		 root port 1
 *	        |		      |
 *	     switch		     far
 *	     /	|  \
 *	  near	|  provider	BAR 0: 8 MiB
 *	      other		likewise
 */
struct machine {
	struct pci_dev *provider;
	struct pci_dev *other;
	struct pci_dev *near;
	struct pci_dev *far;
	phys_addr_t bar;
	u64 bus_offset;
};

static void make_machine(struct kunit *test, struct machine *m)
{
	struct fabric_host *host = host_bridge(fabric_alloc(test));
	struct fabric_fn *sw = switch_under(root_port(host), 3);
	struct fabric_fn *near = endpoint_under(downstream(sw, 0));
	struct fabric_fn *provider = endpoint_under(downstream(sw, 1));
	struct fabric_fn *other = endpoint_under(downstream(sw, 2));
	struct fabric_fn *far = endpoint_under(root_port(host));

	host->bus_offset = -(s64)SZ_512M;
	provider->bar[0].size = SZ_8M;
	provider->bar[0].flags = FABRIC_BAR_64 | FABRIC_BAR_PREFETCH;
	other->bar[0] = provider->bar[0];
	fabric_scan(host->fabric);
	*m = (struct machine) {
		.provider = provider->pdev,
		.other = other->pdev,
		.near = near->pdev,
		.far = far->pdev,
		.bar = pci_resource_start(provider->pdev, 0),
		.bus_offset = pci_bus_address(provider->pdev, 0) -
			      pci_resource_start(provider->pdev, 0),
	};
}

static void add(struct kunit *test, struct machine *m)
{
	make_machine(test, m);
	KUNIT_ASSERT_EQ(test, 0, pcim_p2pdma_add_range(m->provider, 0, LEN, AT));
}

static enum pci_p2pdma_map_type map(struct p2pdma_resource *res,
				    struct pci_dev *client, u64 *bus_offset)
{
	return pci_p2pdma_map_resource(res, &client->dev, DMA_BIDIRECTIONAL,
				       bus_offset);
}

/* There are routes to it; but nobody gets pages of it, nor finds them. */
static void range_registered(struct kunit *test)
{
	struct machine m;

	add(test, &m);
	provider_expect(test, m.provider, 1, LEN, 0);
	KUNIT_EXPECT_EQ(test, 4, pci_p2pdma_distance(m.provider, &m.near->dev, false));
	KUNIT_EXPECT_GT(test, 0, pci_p2pdma_distance(m.provider, &m.far->dev, true));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(m.provider, PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, pfn_valid(PHYS_PFN(m.bar + AT)));

	pci_p2pmem_publish(m.provider, true);
	KUNIT_EXPECT_FALSE(test, pci_has_p2pmem(m.provider));
	KUNIT_EXPECT_NULL(test, pci_p2pmem_find(&m.near->dev));

	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_remove_resource(m.provider, 0, AT));
	provider_expect(test, m.provider, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, pcim_p2pdma_add_range(m.provider, 0, 0, AT));
	provider_expect(test, m.provider, 1, SZ_8M - AT, 0);
}

static void range_bad(struct kunit *test)
{
	static const struct {
		int bar;
		u64 size, offset;
		int error;
	} bad[] = {
		{ 0, PAGE_SIZE, 512, -EINVAL },
		{ 0, PAGE_SIZE + 512, 0, -EINVAL },
		{ 0, SZ_16M, 0, -EINVAL },
		{ 0, U64_MAX - PAGE_SIZE + 1, PAGE_SIZE, -EINVAL },
		{ 0, PAGE_SIZE, SZ_8M, -EINVAL },
		{ 2, 0, 0, -EINVAL },
		{ 6, 0, 0, -EINVAL },
		{ -1, 0, 0, -EINVAL },
		{ 0, LEN, AT, -EBUSY },
		{ 0, PAGE_SIZE, AT + LEN - PAGE_SIZE, -EBUSY },
		{ 0, 0, 0, -EBUSY },
	};
	struct provider_state before, after;
	struct machine m;
	int i;

	add(test, &m);
	before = provider_view(m.provider);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, bad[i].error,
				    pcim_p2pdma_add_range(m.provider, bad[i].bar,
							  bad[i].size, bad[i].offset),
				    "%d", i);
		after = provider_view(m.provider);
		KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
	}
	/* What adjoins does not overlap. */
	KUNIT_EXPECT_EQ(test, 0, pcim_p2pdma_add_range(m.provider, 0, PAGE_SIZE,
						       AT - PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, pcim_p2pdma_add_range(m.provider, 0, PAGE_SIZE,
						       AT + LEN));
}

/* With pages and without, neither in the other's. */
static void range_beside_pages(struct kunit *test)
{
	struct machine m;
	void *addr;

	add(test, &m);
	KUNIT_EXPECT_EQ(test, -EBUSY, pci_p2pdma_add_resource(m.provider, 0, SZ_2M, 0));
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(m.provider, 0, SZ_2M, SZ_2M));
	KUNIT_EXPECT_EQ(test, -EBUSY, pcim_p2pdma_add_range(m.provider, 0, PAGE_SIZE,
							    SZ_4M - PAGE_SIZE));
	provider_expect(test, m.provider, 2, LEN + SZ_2M, SZ_2M);
	pci_p2pmem_publish(m.provider, true);
	KUNIT_EXPECT_TRUE(test, pci_has_p2pmem(m.provider));
	addr = pci_alloc_p2pmem(m.provider, SZ_2M);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(m.provider, PAGE_SIZE));
	pci_free_p2pmem(m.provider, addr, SZ_2M);

	/* What has pages is allocated, and not held. */
	KUNIT_EXPECT_NULL(test, pci_p2pdma_range_get(m.provider, m.bar + SZ_2M,
						     PAGE_SIZE));
	/* Without any there is nothing to be found. */
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_remove_resource(m.provider, 0, SZ_2M));
	KUNIT_EXPECT_FALSE(test, pci_has_p2pmem(m.provider));
	provider_expect(test, m.provider, 1, LEN, 0);
}

/* What has nothing to allocate is neither short of memory nor full of it. */
static void range_beside_used_up(struct kunit *test)
{
	struct p2pdma_pool_stats stats;
	struct p2pdma_resource *res;
	struct pci_dev *found;
	struct machine m;
	void *addr;
	int i;

	add(test, &m);
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(m.provider, 0, SZ_2M, SZ_2M));
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(m.other, 0, SZ_2M, SZ_2M));
	pci_p2pmem_publish(m.provider, true);
	pci_p2pmem_publish(m.other, true);
	addr = pci_alloc_p2pmem(m.provider, SZ_2M);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	/* It would be every other one. */
	for (i = 0; i < 32; i++) {
		found = pci_p2pmem_find(&m.near->dev);
		KUNIT_EXPECT_PTR_EQ(test, m.other, found);
		pci_dev_put(found);
	}
	pci_free_p2pmem(m.provider, addr, SZ_2M);

	res = pci_p2pdma_range_get(m.provider, m.bar + AT, LEN);
	KUNIT_ASSERT_NOT_NULL(test, res);
	p2pdma_pool_stats(&p2pdma_to_memory(res)->pool, &stats);
	KUNIT_EXPECT_EQ(test, 0, stats.failures);
	pci_p2pdma_range_put(res);
}

/* What is found is what can be allocated; who asks of a device asks of all that it has. */
static void range_beyond_mask(struct kunit *test)
{
	struct pci_dev *found;
	struct machine m;

	make_machine(test, &m);
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(m.provider, 0, SZ_2M, 0));
	KUNIT_ASSERT_EQ(test, 0, pcim_p2pdma_add_range(m.provider, 0, SZ_2M, SZ_4M));
	pci_p2pmem_publish(m.provider, true);
	m.near->dma_mask = m.bar + m.bus_offset + SZ_2M - 1;
	/* With nothing cached, and with it */
	found = pci_p2pmem_find(&m.near->dev);
	KUNIT_EXPECT_PTR_EQ(test, m.provider, found);
	pci_dev_put(found);
	p2pdma_peers_fill();
	found = pci_p2pmem_find(&m.near->dev);
	KUNIT_EXPECT_PTR_EQ(test, m.provider, found);
	pci_dev_put(found);
	KUNIT_EXPECT_GT(test, 0, pci_p2pdma_distance(m.provider, &m.near->dev, false));
	m.near->dma_mask--;
	KUNIT_EXPECT_NULL(test, pci_p2pmem_find(&m.near->dev));
}

/* Nobody else has to have pages for an outage to be seen. */
static void range_outage(struct kunit *test)
{
	int before = static_key_count(&pci_p2pdma_key.key);
	struct p2pdma_resource *res;
	unsigned long since;
	struct machine m;

	add(test, &m);
	KUNIT_EXPECT_EQ(test, before + 1, static_key_count(&pci_p2pdma_key.key));
	res = pci_p2pdma_range_get(m.provider, m.bar + AT, LEN);
	KUNIT_ASSERT_NOT_NULL(test, res);
	since = pci_p2pdma_outages();
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(m.provider, since));
	pci_p2pdma_provider_down(m.provider);
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(m.provider, since));
	KUNIT_EXPECT_FALSE(test, __pci_p2pdma_range_intact(res, m.bar + AT, LEN, since));
	pci_p2pdma_provider_up(m.provider);
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(m.provider, since));
	KUNIT_EXPECT_FALSE(test, __pci_p2pdma_range_intact(res, m.bar + AT, LEN, since));
	since = pci_p2pdma_outages();
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(m.provider, since));
	KUNIT_EXPECT_TRUE(test, __pci_p2pdma_range_intact(res, m.bar + AT, LEN, since));
	pci_p2pdma_range_put(res);
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_remove_resource(m.provider, 0, AT));
	KUNIT_EXPECT_EQ(test, before, static_key_count(&pci_p2pdma_key.key));
}

static void range_mapped(struct kunit *test)
{
	struct p2pdma_resource *res;
	u64 bus_offset = 1;
	struct machine m;

	add(test, &m);
	KUNIT_EXPECT_NULL(test, pci_p2pdma_range_get(m.provider, m.bar + AT - 1, 1));
	KUNIT_EXPECT_NULL(test, pci_p2pdma_range_get(m.provider, m.bar + AT, LEN + 1));
	KUNIT_EXPECT_NULL(test, pci_p2pdma_range_get(m.provider, m.bar + AT, 0));
	KUNIT_EXPECT_NULL(test, pci_p2pdma_range_get(m.near, m.bar + AT, LEN));
	res = pci_p2pdma_range_get(m.provider, m.bar + AT + 1, LEN - 1);
	KUNIT_ASSERT_NOT_NULL(test, res);

	KUNIT_EXPECT_EQ(test, PCI_P2PDMA_MAP_NOT_SUPPORTED, map(res, m.far, &bus_offset));
	KUNIT_EXPECT_EQ(test, 1, bus_offset);
	KUNIT_EXPECT_EQ(test, PCI_P2PDMA_MAP_BUS_ADDR, map(res, m.near, &bus_offset));
	KUNIT_EXPECT_EQ(test, m.bus_offset, bus_offset);
	KUNIT_EXPECT_NE(test, 0, bus_offset);

	pci_p2pdma_provider_down(m.provider);
	KUNIT_EXPECT_EQ(test, PCI_P2PDMA_MAP_NOT_SUPPORTED, map(res, m.near, &bus_offset));
	pci_p2pdma_provider_up(m.provider);
	KUNIT_EXPECT_EQ(test, PCI_P2PDMA_MAP_BUS_ADDR, map(res, m.near, &bus_offset));
	pci_p2pdma_range_put(res);
}

static void unbind(void *pdev)
{
	device_release_driver(&((struct pci_dev *)pdev)->dev);
}

/* It goes when the last one has let it go; until then there are routes to it. */
static void range_held(struct kunit *test)
{
	struct p2pdma_resource *res[2];
	u64 bus_offset;
	struct machine m;
	struct job *job;
	int i;

	add(test, &m);
	for (i = 0; i < 2; i++) {
		res[i] = pci_p2pdma_range_get(m.provider, m.bar + AT, LEN);
		KUNIT_ASSERT_NOT_NULL(test, res[i]);
	}
	pci_p2pdma_range_put(res[0]);
	job = job_start(test, unbind, m.provider);
	for (i = 0; i < 100 && provider_view(m.provider).registered; i++)
		KUNIT_EXPECT_TRUE(test, job_waits(job));
	KUNIT_EXPECT_FALSE(test, provider_view(m.provider).registered);
	KUNIT_EXPECT_NULL(test, pci_p2pdma_range_get(m.provider, m.bar + AT, LEN));
	KUNIT_EXPECT_TRUE(test, job_waits(job));
	KUNIT_EXPECT_EQ(test, PCI_P2PDMA_MAP_BUS_ADDR, map(res[1], m.near, &bus_offset));
	pci_p2pdma_range_put(res[1]);
	KUNIT_EXPECT_TRUE(test, job_ends(job));
	provider_expect(test, m.provider, 0, 0, 0);
}

struct holder {
	struct notifier_block nb;
	struct pci_dev *pdev;
	struct p2pdma_resource *res;
};

static int let_go(struct notifier_block *nb, unsigned long event, void *data)
{
	struct holder *holder = container_of(nb, struct holder, nb);

	if (event == PCI_P2PDMA_RESOURCE_REMOVED && data == holder->pdev &&
	    holder->res) {
		pci_p2pdma_range_put(holder->res);
		holder->res = NULL;
	}
	return NOTIFY_OK;
}

static void stop_listening(void *nb)
{
	pci_p2pdma_unregister_notifier(nb);
}

/* Who listens holds nothing up. */
static void range_revoked(struct kunit *test)
{
	struct holder holder = { .nb.notifier_call = let_go };
	struct machine m;

	add(test, &m);
	holder.pdev = m.provider;
	holder.res = pci_p2pdma_range_get(m.provider, m.bar + AT, LEN);
	KUNIT_ASSERT_NOT_NULL(test, holder.res);
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_register_notifier(&holder.nb));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, stop_listening, &holder.nb));
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_remove_resource(m.provider, 0, AT));
	KUNIT_EXPECT_NULL(test, holder.res);
	kunit_release_action(test, stop_listening, &holder.nb);
}

static struct kunit_case range_cases[] = {
	KUNIT_CASE(range_registered),
	KUNIT_CASE(range_bad),
	KUNIT_CASE(range_beside_pages),
	KUNIT_CASE(range_beside_used_up),
	KUNIT_CASE(range_beyond_mask),
	KUNIT_CASE(range_outage),
	KUNIT_CASE(range_mapped),
	KUNIT_CASE(range_held),
	KUNIT_CASE(range_revoked),
	{}
};

static struct kunit_suite range_suite = {
	.name = "p2pdma_range",
	.test_cases = range_cases,
};

kunit_test_suite(range_suite);

MODULE_DESCRIPTION("KUnit suite of peer memory without struct pages");
MODULE_LICENSE("GPL");
