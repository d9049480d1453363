// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: large fabrics.
 *
 * Times come from ktime_get(); where the emulator makes a nanosecond of each
 * instruction they are numbers of instructions.  Elsewhere they are for
 * information: what is checked is the work, in config reads.
 */
#include <kunit/test.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/moduleparam.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "fabric.h"

#define PORTS		31
#define FUNCTIONS	8
#define PER_SWITCH	(PORTS * FUNCTIONS)
#define ROUNDS		200

static unsigned int most = 4096;
module_param(most, uint, 0444);
MODULE_PARM_DESC(most, "number of endpoints in the largest fabric");

/**
 * struct scale - a fabric of a size, and what it costs
 * @endpoints: how many
 * @providers: how many of them provide memory
 * @lookup: one provider to two clients, both cached: ns, config reads
 * @find: the closest of all providers for two clients: ns, config reads
 * @cold: config reads of the walks from two clients to one provider
 */
struct scale {
	unsigned int endpoints;
	unsigned int providers;
	u64 lookup[2];
	u64 find[2];
	u64 cold;
};

static unsigned long reads(struct fabric *fabric)
{
	struct fabric_host *host;
	unsigned long n = 0;

	list_for_each_entry(host, &fabric->hosts, node)
		n += host->reads;
	return n;
}

/*
 *	host bridges, with up to seven root ports each
 *	      |
 *	   upstream
 *	 /    |     \
 *	d0   ...    d30		with ACS, eight functions under each
 */
static void build(struct fabric *fabric, const struct scale *scale,
		  struct fabric_fn **fns)
{
	unsigned int i, every = scale->endpoints / scale->providers;
	struct fabric_host *host = NULL;
	struct fabric_fn *sw = NULL, *port;

	for (i = 0; i < scale->endpoints; i++) {
		if (i % (7 * PER_SWITCH) == 0) {
			host = host_bridge(fabric);
			root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
		}
		if (i % PER_SWITCH == 0)
			sw = switch_under(root_port(host), PORTS);
		port = downstream(sw, i % PER_SWITCH / FUNCTIONS);
		if (i % FUNCTIONS == 0)
			fns[i] = endpoint_under(with_acs(port, PCI_ACS_EC));
		else
			fns[i] = function_beside(fns[i - 1]);
		if (i % every)
			fns[i]->bar[0].size = 0;
	}
	fabric_scan(fabric);
}

static void register_all(struct kunit *test, const struct scale *scale,
			 struct fabric_fn **fns)
{
	unsigned int i, every = scale->endpoints / scale->providers;
	ktime_t begin = ktime_get();

	for (i = 0; i < scale->endpoints; i += every) {
		KUNIT_ASSERT_EQ(test, pci_p2pdma_add_resource(fns[i]->pdev, 0,
							      0, 0), 0);
		pci_p2pmem_publish(fns[i]->pdev, true);
	}
	kunit_info(test, "%u providers registered: %lld ns each\n",
		   scale->providers,
		   div_s64(ktime_to_ns(ktime_sub(ktime_get(), begin)),
			   scale->providers));
}

static void measure(struct kunit *test, struct fabric *fabric,
		    struct scale *scale, struct fabric_fn **fns)
{
	struct device *clients[2] = { &fns[9]->pdev->dev, &fns[17]->pdev->dev };
	struct pci_dev *provider = fns[0]->pdev, *found;
	unsigned long before;
	ktime_t begin;
	int i;

	before = reads(fabric);
	for (i = 0; i < 2; i++)
		p2pdma_route(to_pci_dev(clients[i]), provider);
	scale->cold = reads(fabric) - before;
	/* Three questions, and all that they ask for is cached. */
	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, pci_p2pdma_distance_many(provider, clients,
							       2, false), 8);
		KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
	}

	before = reads(fabric);
	begin = ktime_get();
	for (i = 0; i < ROUNDS; i++)
		pci_p2pdma_distance_many(provider, clients, 2, false);
	scale->lookup[0] = div_u64(ktime_to_ns(ktime_sub(ktime_get(), begin)),
				   ROUNDS);
	scale->lookup[1] = reads(fabric) - before;

	for (i = 0; i < 3; i++) {
		found = pci_p2pmem_find_many(clients, 2);
		KUNIT_ASSERT_NOT_NULL(test, found);
		pci_dev_put(found);
		KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
	}
	before = reads(fabric);
	begin = ktime_get();
	for (i = 0; i < ROUNDS; i++)
		pci_dev_put(pci_p2pmem_find_many(clients, 2));
	scale->find[0] = div_u64(ktime_to_ns(ktime_sub(ktime_get(), begin)),
				 ROUNDS);
	scale->find[1] = reads(fabric) - before;
	kunit_info(test, "%u endpoints, %u providers: lookup %llu ns, find %llu ns; %llu config reads when cold\n",
		   scale->endpoints, scale->providers, scale->lookup[0],
		   scale->find[0], scale->cold);
}

static void scale_one(struct kunit *test, struct scale *scale)
{
	struct fabric *fabric = fabric_alloc(test);
	ktime_t begin = ktime_get();
	struct fabric_fn **fns;

	fns = kunit_kcalloc(test, scale->endpoints, sizeof(*fns), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fns);
	build(fabric, scale, fns);
	kunit_info(test, "%u endpoints scanned in %lld ms\n", scale->endpoints,
		   ktime_ms_delta(ktime_get(), begin));
	register_all(test, scale, fns);
	measure(test, fabric, scale, fns);
	fabric_free(fabric);
}

/*
 * A lookup costs the same in any fabric, and nothing but memory accesses once
 * it is cached; to find the closest provider looks at each once.
 */
static void scale_fabrics(struct kunit *test)
{
	struct scale scales[] = {
		{ .endpoints = 256, .providers = 4 },
		{ .endpoints = 1024, .providers = 16 },
		{ .endpoints = 4096, .providers = 64 },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(scales) && scales[i].endpoints <= most; i++) {
		scale_one(test, &scales[i]);
		KUNIT_EXPECT_EQ(test, scales[i].lookup[1], 0);
		KUNIT_EXPECT_EQ(test, scales[i].find[1], 0);
		KUNIT_EXPECT_GT(test, scales[i].cold, 0);
		KUNIT_EXPECT_EQ(test, scales[i].cold, scales[0].cold);
	}
}

static struct kunit_case scale_cases[] = {
	KUNIT_CASE_SLOW(scale_fabrics),
	{ }
};

static struct kunit_suite scale_suite = {
	.name = "p2pdma_scale",
	.test_cases = scale_cases,
};

kunit_test_suite(scale_suite);

MODULE_DESCRIPTION("KUnit tests of PCI peer-to-peer DMA on large fabrics");
MODULE_LICENSE("GPL");
