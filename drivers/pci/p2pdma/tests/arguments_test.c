// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of odd arguments: every exported call that has an answer for them
 * gives the one that drivers know from 6.12, or, where that was wrong, a better
 * one.  What 6.12 answers with a crash is not here.
 */
#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "fabric.h"
#include "provider.h"

/*
 *	       root port
 *		   |
 *		switch
 *	     /	   |   \
 *	provider other plain		the first two register 2 MiB each
 */
struct devices {
	struct pci_dev *provider;
	struct pci_dev *other;
	struct pci_dev *plain;		/* provides nothing */
	struct device *nowhere;		/* no PCI device */
	void *mine;			/* a page of provider's memory */
	void *theirs;			/* one of other's */
	void *freed;			/* one that was provider's allocation */
	void *ram;
	void *first;			/* where all of provider's memory begins */
	u64 bus;			/* and that on its bus */
};

static struct devices *make_devices(struct kunit *test)
{
	struct devices *d = kunit_kzalloc(test, sizeof(*d), GFP_KERNEL);
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *sw, *provider, *other, *plain;

	KUNIT_ASSERT_NOT_NULL(test, d);
	sw = switch_under(root_port(host_bridge(fabric)), 3);
	provider = endpoint_under(downstream(sw, 0));
	other = endpoint_under(downstream(sw, 1));
	plain = endpoint_under(downstream(sw, 2));
	fabric_scan(fabric);
	provider_register(test, provider);
	provider_register(test, other);
	d->provider = provider->pdev;
	d->other = other->pdev;
	d->plain = plain->pdev;
	d->nowhere = kunit_kzalloc(test, sizeof(*d->nowhere), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, d->nowhere);
	d->nowhere->init_name = "nowhere";
	d->ram = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, d->ram);

	d->first = provider_alloc(test, provider, PAGE_SIZE);
	d->bus = provider_bar_register(provider);
	d->mine = provider_alloc(test, provider, PAGE_SIZE);
	d->theirs = provider_alloc(test, other, PAGE_SIZE);
	d->freed = pci_alloc_p2pmem(d->provider, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, d->freed);
	pci_free_p2pmem(d->provider, d->freed, PAGE_SIZE);
	return d;
}

/* ---- bus addresses: as far from where the memory begins, or 0, or -1 ---- */

static s64 to_bus(struct pci_dev *pdev, void *addr)
{
	return pci_p2pmem_virt_to_bus(pdev, addr);
}

static s64 bus_null(struct devices *d)
{
	return to_bus(d->provider, NULL);
}

static s64 bus_null_of_none(struct devices *d)
{
	return to_bus(d->plain, NULL);
}

static s64 bus_of_none(struct devices *d)
{
	return to_bus(d->plain, d->mine);
}

static s64 bus_of_other(struct devices *d)
{
	return to_bus(d->provider, d->theirs);
}

static s64 bus_ram(struct devices *d)
{
	return to_bus(d->provider, d->ram);
}

static s64 bus_low(struct devices *d)
{
	return to_bus(d->provider, (void *)1);
}

static s64 bus_high(struct devices *d)
{
	return to_bus(d->provider, (void *)ULONG_MAX);
}

static s64 bus_before(struct devices *d)
{
	return to_bus(d->provider, d->first - 1);
}

static s64 bus_behind(struct devices *d)
{
	return to_bus(d->provider, d->first + SZ_2M);
}

static s64 bus_first(struct devices *d)
{
	return to_bus(d->provider, d->first) - d->bus;
}

static s64 bus_last(struct devices *d)
{
	return to_bus(d->provider, d->first + SZ_2M - 1) - d->bus;
}

static s64 bus_inside(struct devices *d)
{
	return to_bus(d->provider, d->mine + 5) - d->bus;
}

static s64 bus_freed(struct devices *d)
{
	return to_bus(d->provider, d->freed) - d->bus;
}

/* ---- distance and choice ---- */

static s64 distance_null(struct devices *d)
{
	return pci_p2pdma_distance(d->provider, NULL, false);
}

static s64 distance_null_verbose(struct devices *d)
{
	return pci_p2pdma_distance(d->provider, NULL, true);
}

static s64 distance_null_of_none(struct devices *d)
{
	return pci_p2pdma_distance(d->plain, NULL, true);
}

static s64 distance_second_null(struct devices *d)
{
	struct device *clients[] = { &d->plain->dev, NULL };

	return pci_p2pdma_distance_many(d->provider, clients, 2, true);
}

static s64 distance_nowhere(struct devices *d)
{
	return pci_p2pdma_distance(d->provider, d->nowhere, true);
}

static s64 distance_self(struct devices *d)
{
	return pci_p2pdma_distance(d->plain, &d->plain->dev, true);
}

static s64 distance_nobody(struct devices *d)
{
	return pci_p2pdma_distance_many(d->provider, NULL, 0, true);
}

static s64 distance_negative(struct devices *d)
{
	return pci_p2pdma_distance_many(d->provider, NULL, INT_MIN, true);
}

static s64 finds(struct devices *d, struct device **clients, int num)
{
	struct pci_dev *found;

	pci_p2pmem_publish(d->provider, true);
	found = pci_p2pmem_find_many(clients, num);
	pci_p2pmem_publish(d->provider, false);
	pci_dev_put(found);
	return !!found;
}

static s64 find_null(struct devices *d)
{
	struct device *client = NULL;

	return finds(d, &client, 1);
}

static s64 find_nowhere(struct devices *d)
{
	return finds(d, &d->nowhere, 1);
}

static s64 find_nobody(struct devices *d)
{
	return finds(d, NULL, 0);
}

static s64 find_negative(struct devices *d)
{
	return finds(d, NULL, -1);
}

static s64 publish_none(struct devices *d)
{
	pci_p2pmem_publish(d->plain, true);
	return pci_has_p2pmem(d->plain);
}

/* ---- memory ---- */

static s64 takes(struct pci_dev *pdev, size_t size)
{
	void *addr = pci_alloc_p2pmem(pdev, size);

	if (addr)
		pci_free_p2pmem(pdev, addr, size);
	return !!addr;
}

static s64 alloc_none(struct devices *d)
{
	return takes(d->provider, 0);
}

static s64 alloc_of_none(struct devices *d)
{
	return takes(d->plain, PAGE_SIZE);
}

static s64 alloc_more(struct devices *d)
{
	return takes(d->provider, SZ_2M + 1);
}

static s64 alloc_4g(struct devices *d)
{
	return takes(d->provider, SZ_4G + PAGE_SIZE);
}

static s64 alloc_wraps(struct devices *d)
{
	return takes(d->provider, SIZE_MAX);
}

static s64 alloc_half_wraps(struct devices *d)
{
	return takes(d->provider, (size_t)S64_MAX + 1);
}

/* A list of that length, or the value of @nents if there is none */
static s64 lists(struct pci_dev *pdev, u32 length)
{
	unsigned int nents = 77;
	struct scatterlist *sgl = pci_p2pmem_alloc_sgl(pdev, &nents, length);

	if (sgl)
		pci_p2pmem_free_sgl(pdev, sgl);
	return nents;
}

static s64 sgl_none(struct devices *d)
{
	return lists(d->provider, 0);
}

static s64 sgl_of_none(struct devices *d)
{
	return lists(d->plain, 1);
}

static s64 sgl_more(struct devices *d)
{
	return lists(d->provider, U32_MAX);
}

static s64 sgl_byte(struct devices *d)
{
	return lists(d->provider, 1);
}

static s64 sgl_free_null(struct devices *d)
{
	pci_p2pmem_free_sgl(d->provider, NULL);
	return 0;
}

/* ---- resources; the first BAR has 2 MiB ---- */

static s64 add_negative_bar(struct devices *d)
{
	return pci_p2pdma_add_resource(d->plain, -1, 0, 0);
}

static s64 add_no_bar(struct devices *d)
{
	return pci_p2pdma_add_resource(d->plain, PCI_STD_NUM_BARS, 0, 0);
}

static s64 add_absent_bar(struct devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 5, 0, 0);
}

static s64 add_behind(struct devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, 0, SZ_2M);
}

static s64 add_far_behind(struct devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, 0, U64_MAX);
}

static s64 add_larger(struct devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, SZ_4M, 0);
}

static s64 add_largest(struct devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, SIZE_MAX, 0);
}

static s64 add_wraps(struct devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, SIZE_MAX - SZ_1M + 1, SZ_1M);
}

static s64 add_unvetted_no_bar(struct devices *d)
{
	return pci_p2pdma_add_unvetted_resource(d->plain, PCI_STD_NUM_BARS, 0, 0);
}

static s64 add_unvetted_larger(struct devices *d)
{
	return pci_p2pdma_add_unvetted_resource(d->plain, 0, SZ_4M, 0);
}

static s64 remove_none(struct devices *d)
{
	return pci_p2pdma_remove_resource(d->plain, 0, 0);
}

static s64 remove_no_bar(struct devices *d)
{
	return pci_p2pdma_remove_resource(d->provider, -1, 0) +
	       pci_p2pdma_remove_resource(d->provider, PCI_STD_NUM_BARS, 0);
}

static s64 remove_elsewhere(struct devices *d)
{
	return pci_p2pdma_remove_resource(d->provider, 0, SZ_1M);
}

/* ---- the table ---- */

#define CRASH		S64_MIN		/* or nobody can say */
#define NEW		(S64_MIN + 1)	/* 6.12 has no such call */

static const struct odd {
	const char *name;
	s64 (*call)(struct devices *d);
	s64 stock;		/* what 6.12 answers */
	s64 ours;
} odds[] = {
	{ "bus_null", bus_null, 0, 0 },
	{ "bus_null_of_none", bus_null_of_none, 0, 0 },
	{ "bus_of_none", bus_of_none, 0, 0 },
	{ "bus_of_other", bus_of_other, -1, -1 },
	{ "bus_ram", bus_ram, -1, -1 },
	{ "bus_low", bus_low, -1, -1 },
	{ "bus_high", bus_high, -1, -1 },
	{ "bus_before", bus_before, -1, -1 },
	{ "bus_behind", bus_behind, -1, -1 },
	{ "bus_first", bus_first, 0, 0 },
	{ "bus_last", bus_last, SZ_2M - 1, SZ_2M - 1 },
	{ "bus_inside", bus_inside, PAGE_SIZE + 5, PAGE_SIZE + 5 },
	{ "bus_freed", bus_freed, 2 * PAGE_SIZE, 2 * PAGE_SIZE },

	{ "distance_null", distance_null, -1, -1 },
	{ "distance_null_verbose", distance_null_verbose, -1, -1 },
	{ "distance_null_of_none", distance_null_of_none, -1, -1 },
	{ "distance_second_null", distance_second_null, -1, -1 },
	{ "distance_nowhere", distance_nowhere, -1, -1 },
	{ "distance_self", distance_self, 0, 0 },
	{ "distance_nobody", distance_nobody, -1, -1 },
	/* As many as nobody */
	{ "distance_negative", distance_negative, 0, -1 },
	{ "find_null", find_null, 0, 0 },
	{ "find_nowhere", find_nowhere, 0, 0 },
	{ "find_nobody", find_nobody, 0, 0 },
	{ "find_negative", find_negative, 1, 0 },
	{ "publish_none", publish_none, 0, 0 },

	{ "alloc_none", alloc_none, 0, 0 },
	{ "alloc_of_none", alloc_of_none, 0, 0 },
	{ "alloc_more", alloc_more, 0, 0 },
	{ "alloc_4g", alloc_4g, 0, 0 },
	{ "alloc_wraps", alloc_wraps, 0, 0 },
	{ "alloc_half_wraps", alloc_half_wraps, 0, 0 },
	{ "sgl_none", sgl_none, 77, 77 },
	{ "sgl_of_none", sgl_of_none, 77, 77 },
	{ "sgl_more", sgl_more, 77, 77 },
	{ "sgl_byte", sgl_byte, 1, 1 },
	{ "sgl_free_null", sgl_free_null, 0, 0 },

	/* Reads beside the array of BARs */
	{ "add_negative_bar", add_negative_bar, CRASH, -EINVAL },
	{ "add_no_bar", add_no_bar, CRASH, -EINVAL },
	{ "add_absent_bar", add_absent_bar, -EINVAL, -EINVAL },
	{ "add_behind", add_behind, -EINVAL, -EINVAL },
	{ "add_far_behind", add_far_behind, -EINVAL, -EINVAL },
	{ "add_larger", add_larger, -EINVAL, -EINVAL },
	{ "add_largest", add_largest, -EINVAL, -EINVAL },
	/* Size and offset make 0, which fits: what then happens is chance. */
	{ "add_wraps", add_wraps, CRASH, -EINVAL },
	{ "add_unvetted_no_bar", add_unvetted_no_bar, NEW, -EINVAL },
	{ "add_unvetted_larger", add_unvetted_larger, NEW, -EINVAL },
	{ "remove_none", remove_none, NEW, -ENOENT },
	{ "remove_no_bar", remove_no_bar, NEW, 2 * -ENOENT },
	{ "remove_elsewhere", remove_elsewhere, NEW, -ENOENT },
};

KUNIT_ARRAY_PARAM_DESC(odd, odds, name);

/* Nothing has changed either. */
static void arguments_odd(struct kunit *test)
{
	const struct odd *odd = test->param_value;
	struct devices *d = make_devices(test);
	struct provider_state before = provider_view(d->provider);

	KUNIT_EXPECT_EQ(test, odd->call(d), odd->ours);
	provider_expect(test, d->provider, before.ranges, before.size,
			before.available);
	KUNIT_EXPECT_FALSE(test, provider_view(d->plain).registered);
}

/* What differs from 6.12 does so on purpose: see the comments above. */
static void arguments_differ(struct kunit *test)
{
	static const char * const better[] = {
		"distance_negative", "find_negative",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(odds); i++) {
		const struct odd *odd = &odds[i];

		if (odd->stock == CRASH || odd->stock == NEW ||
		    odd->stock == odd->ours)
			continue;
		KUNIT_EXPECT_GE_MSG(test, match_string(better, ARRAY_SIZE(better),
						       odd->name), 0,
				    "%s is answered otherwise than by 6.12",
				    odd->name);
	}
}

static struct kunit_case arguments_cases[] = {
	KUNIT_CASE_PARAM(arguments_odd, odd_gen_params),
	KUNIT_CASE(arguments_differ),
	{}
};

static struct kunit_suite arguments_suite = {
	.name = "p2pdma_arguments",
	.test_cases = arguments_cases,
};

kunit_test_suite(arguments_suite);

MODULE_DESCRIPTION("KUnit suite of odd arguments to P2PDMA");
MODULE_LICENSE("GPL");
