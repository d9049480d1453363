// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of scatterlists of peer memory: what they are made of, and that
 * all of it comes back.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "fabric.h"
#include "provider.h"

static struct fabric_fn *build(struct kunit *test, u64 size)
{
	struct fabric_fn *provider;
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);

	host->size64 = max(host->size64, 2 * size);
	provider = endpoint_under(root_port(host));
	provider->bar[0].size = size;
	fabric_scan(fabric);
	provider_register(test, provider);
	return provider;
}

static u64 available(struct fabric_fn *provider)
{
	return provider_view(provider->pdev).available;
}

#define ENTRY	max_t(u32, SZ_64K, PAGE_SIZE)

/* Returns the number of pieces that the entries are in. */
static unsigned int expect_entries(struct kunit *test, struct scatterlist *sgl,
				   unsigned int nents, u32 length)
{
	unsigned int i, pieces = 0;
	struct scatterlist *sg;
	void *end = NULL;
	u64 sum = 0;

	KUNIT_EXPECT_EQ(test, nents, DIV_ROUND_UP_ULL(length, ENTRY));
	for_each_sg(sgl, sg, nents, i) {
		if (sg != sgl + i || sg->offset || !sg->length ||
		    (i < nents - 1 ? sg->length % PAGE_SIZE : !sg_is_last(sg)) ||
		    sg->length > ENTRY || !is_pci_p2pdma_page(sg_page(sg))) {
			KUNIT_FAIL(test, "entry %u of %u: %#x bytes at %u\n", i,
				   nents, sg->length, sg->offset);
			break;
		}
		pieces += sg_virt(sg) != end;
		end = sg_virt(sg) + sg->length;
		sum += sg->length;
	}
	KUNIT_EXPECT_EQ(test, sum, length);
	return pieces;
}

static void of_length(struct kunit *test, struct fabric_fn *provider, u32 length)
{
	u64 before = available(provider);
	struct scatterlist *sgl;
	unsigned int nents;

	sgl = pci_p2pmem_alloc_sgl(provider->pdev, &nents, length);
	KUNIT_ASSERT_NOT_NULL_MSG(test, sgl, "%u bytes", length);
	KUNIT_EXPECT_EQ(test, available(provider), before - PAGE_ALIGN((u64)length));
	KUNIT_EXPECT_EQ(test, expect_entries(test, sgl, nents, length), 1);
	pci_p2pmem_free_sgl(provider->pdev, sgl);
	KUNIT_EXPECT_EQ(test, available(provider), before);
}

static void sgl_lengths(struct kunit *test)
{
	struct fabric_fn *provider = build(test, SZ_4M);
	static const u32 lengths[] = {
		1, 2, 511, 512, SZ_4K - 1, SZ_4K, SZ_4K + 1, 12345,
		SZ_64K - 1, SZ_64K, SZ_64K + 1, SZ_128K - 1, SZ_128K,
		SZ_128K + SZ_4K, 777777, SZ_1M - 1, SZ_1M, SZ_1M + 1,
		SZ_2M + 3, SZ_4M - SZ_4K - 1, SZ_4M - 1, SZ_4M,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		of_length(test, provider, lengths[i]);
}

/* The longest that there is; and all of what is then left. */
static void sgl_longest(struct kunit *test)
{
	struct fabric_fn *provider = build(test, SZ_4G);
	unsigned int nents = 77;

	of_length(test, provider, U32_MAX);
	of_length(test, provider, U32_MAX - SZ_64K);
	KUNIT_EXPECT_NULL(test, pci_p2pmem_alloc_sgl(provider->pdev, &nents, 0));
	KUNIT_EXPECT_EQ(test, nents, 77);
}

/* Every other page of a pool is in use, then every other entry's worth. */
static void sgl_in_pieces(struct kunit *test)
{
	struct fabric_fn *provider = build(test, SZ_2M);
	struct pci_dev *pdev = provider->pdev;
	const unsigned int parts = SZ_2M / ENTRY;
	void **part = kunit_kcalloc(test, parts, sizeof(*part), GFP_KERNEL);
	unsigned int nents = 77, i;
	struct scatterlist *sgl;
	u64 half;

	KUNIT_ASSERT_NOT_NULL(test, part);
	for (i = 0; i < parts; i++) {
		part[i] = pci_alloc_p2pmem(pdev, ENTRY);
		KUNIT_ASSERT_NOT_NULL(test, part[i]);
	}
	for (i = 0; i < parts; i += 2)
		pci_free_p2pmem(pdev, part[i], ENTRY);
	half = available(provider);

	/* One more than there are: all are taken, and given back. */
	KUNIT_EXPECT_NULL(test, pci_p2pmem_alloc_sgl(pdev, &nents, half + 1));
	KUNIT_EXPECT_EQ(test, nents, 77);
	KUNIT_EXPECT_EQ(test, available(provider), half);

	sgl = pci_p2pmem_alloc_sgl(pdev, &nents, half - 100);
	KUNIT_ASSERT_NOT_NULL(test, sgl);
	KUNIT_EXPECT_EQ(test, expect_entries(test, sgl, nents, half - 100),
			parts / 2);
	KUNIT_EXPECT_EQ(test, available(provider), 0);
	pci_p2pmem_free_sgl(pdev, sgl);
	KUNIT_EXPECT_EQ(test, available(provider), half);

	/* The others have not been touched. */
	for (i = 1; i < parts; i += 2)
		pci_free_p2pmem(pdev, part[i], ENTRY);
	KUNIT_EXPECT_EQ(test, available(provider), SZ_2M);
	of_length(test, provider, SZ_2M);
}

static struct kunit_case sgl_cases[] = {
	KUNIT_CASE(sgl_lengths),
	KUNIT_CASE(sgl_longest),
	KUNIT_CASE(sgl_in_pieces),
	{}
};

static struct kunit_suite sgl_suite = {
	.name = "p2pdma_sgl",
	.test_cases = sgl_cases,
};

kunit_test_suite(sgl_suite);

MODULE_DESCRIPTION("KUnit suite of scatterlists of peer memory");
MODULE_LICENSE("GPL");
