// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of odd arguments: every exported call that has an answer for them
 * gives the one that drivers know from 6.12, or, where that was wrong, a better
 * one.  What 6.12 answers with a crash is not here, nor what is answered with a
 * warning.  Calls that 6.12 does not have: arguments_new_test.c, and, of range
 * lists and block devices, arguments_lists_test.c.
 */
#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "arguments.h"
#include "fabric.h"
#include "provider.h"

/* ---- bus addresses: as far from where the memory begins, or 0, or -1 ---- */

static s64 to_bus(struct pci_dev *pdev, void *addr)
{
	return pci_p2pmem_virt_to_bus(pdev, addr);
}

static s64 bus_null(struct odd_devices *d)
{
	return to_bus(d->provider, NULL);
}

static s64 bus_null_of_none(struct odd_devices *d)
{
	return to_bus(d->plain, NULL);
}

static s64 bus_of_none(struct odd_devices *d)
{
	return to_bus(d->plain, d->mine);
}

static s64 bus_of_other(struct odd_devices *d)
{
	return to_bus(d->provider, d->theirs);
}

static s64 bus_ram(struct odd_devices *d)
{
	return to_bus(d->provider, d->ram);
}

static s64 bus_low(struct odd_devices *d)
{
	return to_bus(d->provider, (void *)1);
}

static s64 bus_high(struct odd_devices *d)
{
	return to_bus(d->provider, (void *)ULONG_MAX);
}

static s64 bus_before(struct odd_devices *d)
{
	return to_bus(d->provider, d->first - 1);
}

static s64 bus_behind(struct odd_devices *d)
{
	return to_bus(d->provider, d->first + SZ_2M);
}

static s64 bus_first(struct odd_devices *d)
{
	return to_bus(d->provider, d->first) - d->bus;
}

static s64 bus_last(struct odd_devices *d)
{
	return to_bus(d->provider, d->first + SZ_2M - 1) - d->bus;
}

static s64 bus_inside(struct odd_devices *d)
{
	return to_bus(d->provider, d->mine + 5) - d->bus;
}

static s64 bus_freed(struct odd_devices *d)
{
	return to_bus(d->provider, d->freed) - d->bus;
}

static s64 bus_gone(struct odd_devices *d)
{
	return to_bus(d->gone, d->mine);
}

/* ---- distance and choice ---- */

static s64 distance_null(struct odd_devices *d)
{
	return pci_p2pdma_distance(d->provider, NULL, false);
}

static s64 distance_null_verbose(struct odd_devices *d)
{
	return pci_p2pdma_distance(d->provider, NULL, true);
}

static s64 distance_null_of_none(struct odd_devices *d)
{
	return pci_p2pdma_distance(d->plain, NULL, true);
}

static s64 distance_second_null(struct odd_devices *d)
{
	struct device *clients[] = { &d->plain->dev, NULL };

	return pci_p2pdma_distance_many(d->provider, clients, 2, true);
}

static s64 distance_nowhere(struct odd_devices *d)
{
	return pci_p2pdma_distance(d->provider, d->nowhere, true);
}

static s64 distance_self(struct odd_devices *d)
{
	return pci_p2pdma_distance(d->plain, &d->plain->dev, true);
}

static s64 distance_nobody(struct odd_devices *d)
{
	return pci_p2pdma_distance_many(d->provider, NULL, 0, true);
}

static s64 distance_negative(struct odd_devices *d)
{
	return pci_p2pdma_distance_many(d->provider, NULL, INT_MIN, true);
}

static s64 distance_gone(struct odd_devices *d)
{
	return pci_p2pdma_distance(d->provider, &d->gone->dev, true);
}

/* What is above it may have gone, too */
static s64 distance_to_gone(struct odd_devices *d)
{
	return pci_p2pdma_distance(d->gone, &d->plain->dev, true);
}

static s64 finds(struct odd_devices *d, struct device **clients, int num)
{
	struct pci_dev *found;

	pci_p2pmem_publish(d->provider, true);
	found = pci_p2pmem_find_many(clients, num);
	pci_p2pmem_publish(d->provider, false);
	pci_dev_put(found);
	return !!found;
}

static s64 find_null(struct odd_devices *d)
{
	struct device *client = NULL;

	return finds(d, &client, 1);
}

static s64 find_nowhere(struct odd_devices *d)
{
	return finds(d, &d->nowhere, 1);
}

static s64 find_nobody(struct odd_devices *d)
{
	return finds(d, NULL, 0);
}

static s64 find_negative(struct odd_devices *d)
{
	return finds(d, NULL, -1);
}

static s64 find_gone(struct odd_devices *d)
{
	struct device *client = &d->gone->dev;

	return finds(d, &client, 1);
}

static s64 publish_none(struct odd_devices *d)
{
	pci_p2pmem_publish(d->plain, true);
	return pci_has_p2pmem(d->plain);
}

static s64 publish_gone(struct odd_devices *d)
{
	pci_p2pmem_publish(d->gone, true);
	return pci_has_p2pmem(d->gone);
}

static s64 publish_twice(struct odd_devices *d)
{
	pci_p2pmem_publish(d->provider, true);
	pci_p2pmem_publish(d->provider, true);
	pci_p2pmem_publish(d->provider, false);
	pci_p2pmem_publish(d->provider, false);
	return pci_has_p2pmem(d->provider);
}

/* ---- names ---- */

static s64 chooses(const char *text)
{
	struct pci_dev *pdev = NULL;
	bool use = false;
	int error = pci_p2pdma_enable_store(text, &pdev, &use);

	pci_dev_put(pdev);
	return error ?: use;
}

static s64 store_empty(struct odd_devices *d)
{
	return chooses("");
}

static s64 store_garbage(struct odd_devices *d)
{
	return chooses("maybe");
}

static s64 store_colon(struct odd_devices *d)
{
	return chooses(":");
}

static s64 store_none(struct odd_devices *d)
{
	return chooses(pci_name(d->plain));
}

static s64 store_gone(struct odd_devices *d)
{
	return chooses(pci_name(d->gone));
}

/* The last character of the one line; a buffer need not be a page of its own. */
static s64 shows(struct pci_dev *pdev, bool use)
{
	char buf[64];
	ssize_t len = pci_p2pdma_enable_show(buf + 1, pdev, use);

	return len > 1 && buf[len] == '\n' ? buf[len - 1] : -1;
}

static s64 show_no(struct odd_devices *d)
{
	return shows(NULL, false);
}

static s64 show_no_device(struct odd_devices *d)
{
	return shows(NULL, true);
}

static s64 show_unused(struct odd_devices *d)
{
	return shows(d->provider, false);
}

static s64 show_gone(struct odd_devices *d)
{
	return shows(d->gone, true);
}

/* ---- memory ---- */

static s64 takes(struct pci_dev *pdev, size_t size)
{
	void *addr = pci_alloc_p2pmem(pdev, size);

	if (addr)
		pci_free_p2pmem(pdev, addr, size);
	return !!addr;
}

static s64 alloc_none(struct odd_devices *d)
{
	return takes(d->provider, 0);
}

static s64 alloc_of_none(struct odd_devices *d)
{
	return takes(d->plain, PAGE_SIZE);
}

static s64 alloc_gone(struct odd_devices *d)
{
	return takes(d->gone, PAGE_SIZE);
}

static s64 alloc_more(struct odd_devices *d)
{
	return takes(d->provider, SZ_2M + 1);
}

static s64 alloc_4g(struct odd_devices *d)
{
	return takes(d->provider, SZ_4G + PAGE_SIZE);
}

static s64 alloc_wraps(struct odd_devices *d)
{
	return takes(d->provider, SIZE_MAX);
}

static s64 alloc_half_wraps(struct odd_devices *d)
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

static s64 sgl_none(struct odd_devices *d)
{
	return lists(d->provider, 0);
}

static s64 sgl_of_none(struct odd_devices *d)
{
	return lists(d->plain, 1);
}

static s64 sgl_gone(struct odd_devices *d)
{
	return lists(d->gone, PAGE_SIZE);
}

static s64 sgl_more(struct odd_devices *d)
{
	return lists(d->provider, U32_MAX);
}

static s64 sgl_byte(struct odd_devices *d)
{
	return lists(d->provider, 1);
}

static s64 sgl_free_null(struct odd_devices *d)
{
	pci_p2pmem_free_sgl(d->provider, NULL);
	return 0;
}

/* ---- resources; the first BAR has 2 MiB ---- */

static s64 add_negative_bar(struct odd_devices *d)
{
	return pci_p2pdma_add_resource(d->plain, -1, 0, 0);
}

static s64 add_no_bar(struct odd_devices *d)
{
	return pci_p2pdma_add_resource(d->plain, PCI_STD_NUM_BARS, 0, 0);
}

static s64 add_absent_bar(struct odd_devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 5, 0, 0);
}

static s64 add_behind(struct odd_devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, 0, SZ_2M);
}

static s64 add_far_behind(struct odd_devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, 0, U64_MAX);
}

static s64 add_larger(struct odd_devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, SZ_4M, 0);
}

static s64 add_largest(struct odd_devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, SIZE_MAX, 0);
}

static s64 add_wraps(struct odd_devices *d)
{
	return pci_p2pdma_add_resource(d->plain, 0, SIZE_MAX - SZ_1M + 1, SZ_1M);
}

/* ---- the table ---- */

static const struct odd odds[] = {
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
	{ "bus_gone", bus_gone, 0, 0 },

	{ "distance_null", distance_null, -1, -1 },
	{ "distance_null_verbose", distance_null_verbose, -1, -1 },
	{ "distance_null_of_none", distance_null_of_none, -1, -1 },
	{ "distance_second_null", distance_second_null, -1, -1 },
	{ "distance_nowhere", distance_nowhere, -1, -1 },
	{ "distance_self", distance_self, 0, 0 },
	{ "distance_nobody", distance_nobody, -1, -1 },
	/* Nothing can be mapped for it. */
	{ "distance_gone", distance_gone, 4, -1 },
	{ "distance_to_gone", distance_to_gone, 4, -1 },
	/* As many as nobody */
	{ "distance_negative", distance_negative, 0, -1 },
	{ "find_null", find_null, 0, 0 },
	{ "find_nowhere", find_nowhere, 0, 0 },
	{ "find_nobody", find_nobody, 0, 0 },
	{ "find_negative", find_negative, 1, 0 },
	{ "find_gone", find_gone, 1, 0 },
	{ "publish_none", publish_none, 0, 0 },
	{ "publish_gone", publish_gone, 0, 0 },
	{ "publish_twice", publish_twice, 0, 0 },

	{ "store_empty", store_empty, -ENODEV, -ENODEV },
	{ "store_garbage", store_garbage, -ENODEV, -ENODEV },
	{ "store_colon", store_colon, -ENODEV, -ENODEV },
	{ "store_none", store_none, -ENODEV, -ENODEV },
	{ "store_gone", store_gone, -ENODEV, -ENODEV },
	{ "show_no", show_no, '0', '0' },
	{ "show_no_device", show_no_device, '1', '1' },
	{ "show_unused", show_unused, '0', '0' },
	{ "show_gone", show_gone, '0', '0' },

	{ "alloc_none", alloc_none, 0, 0 },
	{ "alloc_of_none", alloc_of_none, 0, 0 },
	{ "alloc_gone", alloc_gone, 0, 0 },
	{ "alloc_more", alloc_more, 0, 0 },
	{ "alloc_4g", alloc_4g, 0, 0 },
	{ "alloc_wraps", alloc_wraps, 0, 0 },
	{ "alloc_half_wraps", alloc_half_wraps, 0, 0 },
	{ "sgl_none", sgl_none, 77, 77 },
	{ "sgl_of_none", sgl_of_none, 77, 77 },
	{ "sgl_gone", sgl_gone, 77, 77 },
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
};

KUNIT_ARRAY_PARAM_DESC(odd, odds, name);

static void arguments_odd(struct kunit *test)
{
	odd_try(test, test->param_value);
}

/* What differs from 6.12 does so on purpose: see the comments above. */
static void arguments_differ(struct kunit *test)
{
	static const char * const better[] = {
		"distance_gone", "distance_negative", "distance_to_gone",
		"find_gone", "find_negative",
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
