// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of everything at once: allocate, free, map, unmap and ask, while
 * the topology changes and the provider comes and goes.  What it finds it finds
 * best under KASAN, KCSAN and lockdep.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/prandom.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "fabric.h"
#include "provider.h"

#define LENT_PAGES	(SZ_2M >> PAGE_SHIFT)
#define ALLOCATORS	2
#define MAPPERS		2
#define ROUNDS		5

/*
 *	         root port
 *		     |
 *		 upstream
 *	   /	   |	  |      \
 *	 d0	   d1	  d2     d3
 *	  |	   |	  |      |
 *	client provider steady guest
 *
 * d0 redirects, now and then: the client then reaches nothing.  The provider's
 * driver comes and goes, the guest is pulled out and put back.  Steady is registered
 * all the time.
 */
struct churn {
	struct fabric *fabric;
	struct fabric_fn *port;
	struct fabric_fn *guest;
	struct pci_dev *client;
	struct pci_dev *provider;
	struct pci_dev *steady;
	u64 provider_bus;
	u64 steady_bus;
	bool stop;
	bool guest_registered;		/* and may be found, too */
	atomic_t wrong;			/* whatever must not be */
	atomic_t allocated;
	atomic_t mapped;
	atomic_t refused;
	atomic_t asked;
	DECLARE_BITMAP(owned, LENT_PAGES);	/* of steady's memory */
};

static void wrong(struct churn *t, const char *what)
{
	if (!atomic_fetch_inc(&t->wrong))
		pr_err("concurrency_test: %s\n", what);
}

static bool stopped(struct churn *t)
{
	cond_resched();
	return READ_ONCE(t->stop);
}

/* ---- those who run beside the test ---- */

static void allocator(void *data)
{
	struct churn *t = data;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, get_random_u64());
	while (!stopped(t)) {
		u32 pages = 1 + prandom_u32_state(&rnd) % 64, i;
		u64 first;
		void *addr;

		addr = pci_alloc_p2pmem(t->provider, pages * PAGE_SIZE);
		if (addr)
			pci_free_p2pmem(t->provider, addr, pages * PAGE_SIZE);

		addr = pci_alloc_p2pmem(t->steady, pages * PAGE_SIZE);
		if (!addr)
			continue;
		atomic_inc(&t->allocated);
		first = (page_to_phys(virt_to_page(addr)) -
			 pci_resource_start(t->steady, 0)) >> PAGE_SHIFT;
		for (i = 0; i < pages; i++)
			if (test_and_set_bit(first + i, t->owned))
				wrong(t, "a page handed out twice");
		for (i = 0; i < pages; i++)
			clear_bit(first + i, t->owned);
		pci_free_p2pmem(t->steady, addr, pages * PAGE_SIZE);
	}
}

/* Half of the mappings are made with interrupts off: nothing may sleep. */
static int map_quietly(struct device *dev, struct sg_table *sgt, bool quiet)
{
	unsigned long flags;
	int ret;

	if (!quiet)
		return dma_map_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0);
	local_irq_save(flags);
	ret = dma_map_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0);
	local_irq_restore(flags);
	return ret;
}

static void map_once(struct churn *t, struct pci_dev *pdev, u64 bus, bool quiet)
{
	struct scatterlist sg;
	struct sg_table sgt = { .sgl = &sg, .nents = 1, .orig_nents = 1 };
	void *addr = pci_alloc_p2pmem(pdev, PAGE_SIZE);
	int ret;

	if (!addr)
		return;
	sg_init_one(&sg, addr, PAGE_SIZE);
	ret = map_quietly(&t->client->dev, &sgt, quiet);
	if (ret == -EREMOTEIO) {
		atomic_inc(&t->refused);
	} else if (ret) {
		wrong(t, "a mapping failed with another error");
	} else {
		atomic_inc(&t->mapped);
		if (!sg_dma_is_bus_address(&sg) ||
		    sg_dma_address(&sg) < bus ||
		    sg_dma_address(&sg) >= bus + SZ_2M)
			wrong(t, "a mapping to another address");
		dma_unmap_sgtable(&t->client->dev, &sgt, DMA_BIDIRECTIONAL, 0);
	}
	pci_free_p2pmem(pdev, addr, PAGE_SIZE);
}

static void mapper(void *data)
{
	struct churn *t = data;
	bool quiet = false;

	while (!stopped(t)) {
		quiet = !quiet;
		map_once(t, t->provider, t->provider_bus, quiet);
		map_once(t, t->steady, t->steady_bus, quiet);
	}
}

static void querier(void *data)
{
	struct churn *t = data;
	struct device *client = &t->client->dev;
	struct pci_dev *found;
	int distance;

	while (!stopped(t)) {
		distance = pci_p2pdma_distance(t->steady, client, false);
		if (distance != 4 && distance != -1)
			wrong(t, "a distance that never was");
		distance = pci_p2pdma_distance(t->provider, client, false);
		if (distance != 4 && distance != -1)
			wrong(t, "a distance that never was");
		found = pci_p2pmem_find(client);
		if (found && found != t->provider && found != t->steady &&
		    !READ_ONCE(t->guest_registered))
			wrong(t, "memory of a device that has registered none");
		pci_dev_put(found);
		pci_has_p2pmem(t->provider);
		atomic_inc(&t->asked);
	}
}

/* ---- the test itself changes things ---- */

static void stop_all(void *data)
{
	struct churn *t = data;

	WRITE_ONCE(t->stop, true);
}

static void put_pdev(void *pdev)
{
	pci_dev_put(pdev);
}

static struct pci_dev *keep(struct kunit *test, struct fabric_fn *fn)
{
	struct pci_dev *pdev = pci_dev_get(fn->pdev);

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_pdev, pdev));
	return pdev;
}

static struct churn *start(struct kunit *test)
{
	struct churn *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct fabric_fn *sw, *client, *provider, *steady;
	struct fabric_host *host;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->fabric = fabric_alloc(test);
	host = host_bridge(t->fabric);
	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	sw = switch_under(root_port(host), 4);
	t->port = with_acs(downstream(sw, 0), 0);
	client = endpoint_under(t->port);
	provider = endpoint_under(downstream(sw, 1));
	steady = endpoint_under(downstream(sw, 2));
	t->guest = endpoint_under(downstream(sw, 3));
	fabric_scan(t->fabric);
	t->client = keep(test, client);
	t->provider = keep(test, provider);
	t->steady = keep(test, steady);
	t->provider_bus = provider_bar_register(provider);
	t->steady_bus = provider_bar_register(steady);
	provider_register(test, steady);
	pci_p2pmem_publish(t->steady, true);

	for (i = 0; i < ALLOCATORS; i++)
		job_start(test, allocator, t);
	for (i = 0; i < MAPPERS; i++)
		job_start(test, mapper, t);
	job_start(test, querier, t);
	/* Last, so that it comes first at the end */
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, stop_all, t));
	return t;
}

static bool reaches(struct churn *t)
{
	return pci_p2pdma_distance(t->steady, &t->client->dev, false) >= 0;
}

/*
 * When the ACS control has been written, no verdict from before is left,
 * however many are being worked out meanwhile.
 */
static void concurrent_acs(struct kunit *test)
{
	struct churn *t = start(test);
	int round, i;

	for (round = 0; round < 40 * ROUNDS; round++) {
		fabric_write_acs(t->port, PCI_ACS_RR);
		for (i = 0; i < 10; i++)
			KUNIT_ASSERT_FALSE(test, reaches(t));
		fabric_write_acs(t->port, 0);
		for (i = 0; i < 10; i++)
			KUNIT_ASSERT_TRUE(test, reaches(t));
		if (round % 20 == 0)
			msleep(20);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&t->allocated), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&t->mapped), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&t->asked), 0);
}

/* The provider goes during allocation and mapping, and comes back. */
static void concurrent_unbind(struct kunit *test)
{
	struct churn *t = start(test);
	int round;

	for (round = 0; round < ROUNDS; round++) {
		KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(t->provider, 0, 0, 0));
		pci_p2pmem_publish(t->provider, true);
		msleep(20);
		device_release_driver(&t->provider->dev);
		KUNIT_ASSERT_NULL(test, pci_alloc_p2pmem(t->provider, PAGE_SIZE));
		KUNIT_ASSERT_EQ(test, 1, device_attach(&t->provider->dev));
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&t->mapped), 0);
}

/* Devices come and go, one of them with its memory in use. */
static void concurrent_unplug(struct kunit *test)
{
	struct churn *t = start(test);
	int round;

	WRITE_ONCE(t->guest_registered, true);
	for (round = 0; round < ROUNDS; round++) {
		provider_register(test, t->guest);
		pci_p2pmem_publish(t->guest->pdev, round & 1);
		msleep(20);
		fabric_unplug(t->guest);
		fabric_replug(t->guest);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&t->mapped), 0);
}

static struct kunit_case concurrency_cases[] = {
	KUNIT_CASE(concurrent_acs),
	KUNIT_CASE(concurrent_unbind),
	KUNIT_CASE(concurrent_unplug),
	{}
};

static struct kunit_suite concurrency_suite = {
	.name = "p2pdma_concurrency",
	.test_cases = concurrency_cases,
};

kunit_test_suite(concurrency_suite);

MODULE_DESCRIPTION("KUnit suite of P2PDMA with everything at once");
MODULE_LICENSE("GPL");
