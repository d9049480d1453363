// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of resources that a driver unregisters one by one: what is left of the
 * device's memory, and who uses that, must not notice.
 */
#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/sizes.h>

#include "fabric.h"
#include "provider.h"

#define RANGES	3

static const u64 from[RANGES] = { 0, SZ_4M, SZ_8M };

/*
 *	root port
 *	    |
 *	  provider	BAR 0: 16 MiB, of which 2 MiB at 0, 4 and 8 MiB are registered
 */
static struct pci_dev *make_provider(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *fn = endpoint_under(root_port(host_bridge(fabric)));
	int i;

	fn->bar[0].size = SZ_16M;
	fabric_scan(fabric);
	for (i = 0; i < RANGES; i++)
		KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(fn->pdev, 0, SZ_2M,
								 from[i]));
	pci_p2pmem_publish(fn->pdev, true);
	return fn->pdev;
}

struct removal {
	struct pci_dev *pdev;
	u64 offset;
	int error;
};

static void give_up(void *data)
{
	struct removal *removal = data;

	removal->error = pci_p2pdma_remove_resource(removal->pdev, 0,
						    removal->offset);
}

/* Which resource is unregistered, all of them with memory allocated */
static const int which[] = { 0, 1, 2 };

static void describe_which(const int *i, char *text)
{
	static const char * const names[] = { "first", "middle", "last" };

	strscpy(text, names[*i], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(which, which, describe_which);

/*
 * It waits for what is allocated of this range alone.  Meanwhile nothing more
 * can be had of it, and all goes on with the others; then it can be registered
 * again.
 */
static void ranges_waits(struct kunit *test)
{
	int i, out = *(const int *)test->param_value;
	struct pci_dev *pdev = make_provider(test);
	struct removal removal = { .pdev = pdev, .offset = from[out] };
	pci_bus_addr_t bus = pci_bus_address(pdev, 0);
	void *addr[RANGES];
	struct job *job;

	for (i = 0; i < RANGES; i++) {
		addr[i] = pci_alloc_p2pmem(pdev, SZ_2M);
		KUNIT_ASSERT_NOT_NULL(test, addr[i]);
		KUNIT_ASSERT_EQ(test, pci_p2pmem_virt_to_bus(pdev, addr[i]),
				bus + from[i]);
	}
	job = job_start(test, give_up, &removal);
	for (i = 0; i < 100 && provider_view(pdev).ranges == RANGES; i++)
		KUNIT_EXPECT_TRUE(test, job_waits(job));
	/* What comes back of it is not given out again. */
	pci_free_p2pmem(pdev, addr[out] + SZ_1M, SZ_1M);
	provider_expect(test, pdev, RANGES - 1, (RANGES - 1) * SZ_2M, 0);
	KUNIT_EXPECT_TRUE(test, pci_has_p2pmem(pdev));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, PAGE_SIZE));
	for (i = 0; i < RANGES; i++) {
		if (i == out)
			continue;
		pci_free_p2pmem(pdev, addr[i], SZ_2M);
		addr[i] = pci_alloc_p2pmem(pdev, SZ_2M);
		KUNIT_EXPECT_NOT_NULL(test, addr[i]);
		if (addr[i])
			KUNIT_EXPECT_EQ(test, bus + from[i],
					pci_p2pmem_virt_to_bus(pdev, addr[i]));
	}
	/* It is there as long as somebody has it. */
	KUNIT_EXPECT_EQ(test, pci_p2pmem_virt_to_bus(pdev, addr[out]),
			bus + from[out]);
	KUNIT_EXPECT_EQ(test, -EBUSY, pci_p2pdma_add_resource(pdev, 0, SZ_2M,
							      from[out]));
	KUNIT_EXPECT_TRUE(test, job_waits(job));
	pci_free_p2pmem(pdev, addr[out], SZ_1M);
	KUNIT_EXPECT_TRUE(test, job_ends(job));
	KUNIT_EXPECT_EQ(test, 0, removal.error);
	provider_expect(test, pdev, RANGES - 1, (RANGES - 1) * SZ_2M, 0);

	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_2M, from[out]));
	provider_expect(test, pdev, RANGES, RANGES * SZ_2M, SZ_2M);
	for (i = 0; i < RANGES; i++)
		if (i != out && addr[i])
			pci_free_p2pmem(pdev, addr[i], SZ_2M);
}

/* With the last one the device is no provider, until it registers again. */
static void ranges_last(struct kunit *test)
{
	struct pci_dev *pdev = make_provider(test);
	struct provider_state unbound, before, after;
	int i, round;

	device_release_driver(&pdev->dev);
	unbound = provider_view(pdev);
	KUNIT_ASSERT_EQ(test, 1, device_attach(&pdev->dev));
	before = provider_view(pdev);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < RANGES; i++)
			KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_2M,
									 from[i]));
		pci_p2pmem_publish(pdev, true);
		for (i = RANGES - 1; i >= 0; i--) {
			provider_expect(test, pdev, i + 1, (i + 1) * SZ_2M,
					(i + 1) * SZ_2M);
			KUNIT_EXPECT_EQ(test, 0,
					pci_p2pdma_remove_resource(pdev, 0, from[i]));
			KUNIT_EXPECT_EQ(test, -ENOENT,
					pci_p2pdma_remove_resource(pdev, 0, from[i]));
		}
		after = provider_view(pdev);
		KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
		KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, PAGE_SIZE));
	}
	/* Nothing is left for devres to take away. */
	device_release_driver(&pdev->dev);
	after = provider_view(pdev);
	KUNIT_EXPECT_MEMEQ(test, &unbound, &after, sizeof(unbound));
}

/* What is not registered cannot be unregistered, and nothing changes. */
static void ranges_bad(struct kunit *test)
{
	static const struct {
		int bar;
		u64 offset;
	} bad[] = {
		{ 0, SZ_2M }, { 0, PAGE_SIZE }, { 0, SZ_16M }, { 0, U64_MAX },
		{ 2, 0 }, { 5, 0 }, { 6, 0 }, { -1, 0 }, { INT_MIN, 0 },
	};
	struct pci_dev *pdev = make_provider(test);
	struct provider_state before = provider_view(pdev), after;
	u64 start = pci_resource_start(pdev, 0);
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, -ENOENT,
				    pci_p2pdma_remove_resource(pdev, bad[i].bar,
							       bad[i].offset),
				    "BAR %d", bad[i].bar);
	/* What comes to the address of BAR 0, from one that is not there */
	KUNIT_EXPECT_EQ(test, -ENOENT,
			pci_p2pdma_remove_resource(pdev, 5, start));
	after = provider_view(pdev);
	KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
	KUNIT_EXPECT_EQ(test, -ENOENT,
			pci_p2pdma_remove_resource(pdev->bus->self, 0, 0));
}

/* Those that are left are taken away when the driver goes. */
static void ranges_unbind(struct kunit *test)
{
	struct pci_dev *pdev = make_provider(test);

	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_remove_resource(pdev, 0, from[1]));
	device_release_driver(&pdev->dev);
	provider_expect(test, pdev, 0, 0, 0);
	KUNIT_ASSERT_EQ(test, 1, device_attach(&pdev->dev));
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, 0, 0));
	provider_expect(test, pdev, 1, SZ_16M, SZ_16M);
}

static struct kunit_case ranges_cases[] = {
	KUNIT_CASE_PARAM(ranges_waits, which_gen_params),
	KUNIT_CASE(ranges_last),
	KUNIT_CASE(ranges_bad),
	KUNIT_CASE(ranges_unbind),
	{}
};

static struct kunit_suite ranges_suite = {
	.name = "p2pdma_resources",
	.test_cases = ranges_cases,
};

kunit_test_suite(ranges_suite);

MODULE_DESCRIPTION("KUnit suite of resources that are unregistered");
MODULE_LICENSE("GPL");
