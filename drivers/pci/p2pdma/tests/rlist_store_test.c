// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of range lists: how they are stored, blocks, and user memory that is
 * pinned into one.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/rlist.h>
#include <linux/sizes.h>

#include "../../../../lib/rlist-store.h"
#include "fabric.h"
#include "provider.h"

/* ---- entries ---- */

#define PAGES		64

static void free_ram(void *page)
{
	__free_pages(page, get_order(PAGES * PAGE_SIZE));
}

static struct page *ram_pages(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_KERNEL, get_order(PAGES * PAGE_SIZE));

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_ram, page));
	return page;
}

/* 8 bytes for a page by itself, and not much more than that is allocated. */
static void a_list_is_small(struct kunit *test)
{
	phys_addr_t ram = page_to_phys(ram_pages(test));
	unsigned int i, n, reserve;
	struct rlist list;

	rlist_init(&list);
	for (reserve = 0; reserve < 2; reserve++) {
		for (n = 24; n < 5000; n += n / 3) {
			if (reserve)
				rlist_reserve(&list, n);
			for (i = 0; i < n; i++)
				rlist_add_phys(&list, ram + i % 2 * 2 * PAGE_SIZE,
					       PAGE_SIZE, NULL, GFP_KERNEL);
			KUNIT_EXPECT_GE(test, rlist_memory(&list), 8 * n);
			KUNIT_EXPECT_LE(test, rlist_memory(&list), (reserve ? 12 : 16) * n);
			rlist_free(&list);
		}
	}
	/* Pages that adjoin take no more than one. */
	for (i = 0; i < PAGES; i++)
		rlist_add_phys(&list, ram + i * PAGE_SIZE, PAGE_SIZE, NULL,
			       GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, rlist_memory(&list), 64);
	KUNIT_EXPECT_EQ(test, rlist_bytes(&list), PAGES * PAGE_SIZE);
	rlist_free(&list);
}

/* The largest that an entry holds, one more, and addresses beyond 40 bits of pages */
static void large_ranges_stay_whole(struct kunit *test)
{
	static const struct rlist_phys in[] = {
		{ PAGE_SIZE, (u64)PAGE_SIZE << 19 },
		{ 0, ((u64)PAGE_SIZE << 19) + PAGE_SIZE },
		{ (u64)PAGE_SIZE << 40, PAGE_SIZE },
		{ ((u64)PAGE_SIZE << 40) - PAGE_SIZE, PAGE_SIZE },
		{ 512, 512 },
		{ PAGE_SIZE, PAGE_SIZE + 1 },
	};
	struct rlist_cursor cursor;
	struct rlist_store store;
	unsigned int i, round, source;
	u64 start, len;

	memset(&store, 0, sizeof(store));
	for (round = 0; round < 20; round++)
		for (i = 0; i < ARRAY_SIZE(in); i++)
			KUNIT_ASSERT_EQ(test, 0, rlist_store_add(&store, in[i].start, in[i].len,
								 (i + round) % RLIST_SOURCES,
								 true, GFP_KERNEL));
	rlist_cursor_enter(&cursor, store.first);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < ARRAY_SIZE(in); i++) {
			KUNIT_ASSERT_TRUE(test, rlist_cursor_next(&cursor, &start, &len, &source));
			KUNIT_EXPECT_EQ(test, start, in[i].start);
			KUNIT_EXPECT_EQ(test, len, in[i].len);
			KUNIT_EXPECT_EQ(test, source, (i + round) % RLIST_SOURCES);
		}
	}
	KUNIT_EXPECT_FALSE(test, rlist_cursor_next(&cursor, &start, &len, &source));
	rlist_store_free(&store);
}

/* ---- blocks ---- */

/* The largest blocks that will do, and no larger than the memory */
static void blocks_are_as_large_as_can_be(struct kunit *test)
{
	static const struct {
		u64 start[3], len[3];
		unsigned long sizes;
		int shift;
		long blocks;
	} cases[] = {
		{ { SZ_4M }, { SZ_4M }, SZ_4K | SZ_2M, 21, 2 },
		{ { SZ_4M }, { SZ_4M }, SZ_4K | SZ_2M | SZ_1G, 21, 2 },
		{ { SZ_4M + SZ_4K }, { SZ_4M }, SZ_4K | SZ_2M, 21, 3 },
		{ { SZ_4M, SZ_16M }, { SZ_2M, SZ_2M }, SZ_4K | SZ_2M, 21, 2 },
		{ { SZ_4M, SZ_16M }, { SZ_2M, SZ_4K }, SZ_4K | SZ_2M, 21, 2 },
		{ { SZ_4M + SZ_8K, SZ_16M }, { SZ_2M - SZ_8K, SZ_4K }, SZ_4K | SZ_2M, 21, 2 },
		{ { SZ_4M, SZ_16M }, { SZ_2M - SZ_4K, SZ_4K }, SZ_4K | SZ_64K, 12, 512 },
		{ { SZ_4M, SZ_16M + SZ_64K }, { SZ_2M, SZ_64K }, SZ_4K | SZ_64K | SZ_2M, 16, 33 },
		{ { SZ_4M, SZ_16M, SZ_1M }, { 512, 512, 512 }, SZ_4K, -EINVAL, -EINVAL },
		{ { SZ_4M }, { 512 }, SZ_4K | SZ_64K, 12, 1 },
	};
	struct rlist_dma dma = { .how = RLIST_DMA_EACH };
	struct rlist_dma_iter it;
	dma_addr_t *addr;
	unsigned int i, j;

	addr = kunit_kcalloc(test, 600, sizeof(*addr), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dma.bytes = 0;
		for (j = 0; j < 3 && cases[i].len[j]; j++) {
			KUNIT_ASSERT_EQ(test, 0, rlist_store_add(&dma.store, cases[i].start[j],
								 cases[i].len[j], 0, false,
								 GFP_KERNEL));
			dma.bytes += cases[i].len[j];
		}
		KUNIT_EXPECT_EQ_MSG(test, cases[i].shift,
				    rlist_dma_block_shift(&dma, cases[i].sizes), "case %u", i);
		rlist_dma_begin(&it, &dma);
		KUNIT_EXPECT_EQ_MSG(test, cases[i].blocks,
				    rlist_dma_blocks(&it, max(cases[i].shift, 12), addr, 600),
				    "case %u", i);
		if (cases[i].shift > 0)
			KUNIT_EXPECT_EQ(test, addr[0],
					ALIGN_DOWN(cases[i].start[0], BIT(cases[i].shift)));
		rlist_store_free(&dma.store);
	}
}

/* ---- user memory ---- */

static int peer_mmap(struct file *file, struct vm_area_struct *vma)
{
	return pci_p2pmem_mmap(file->private_data, vma);
}

static const struct file_operations peer_fops = {
	.mmap = peer_mmap,
};

/* @pages of memory in user space: of a provider, or RAM if that is NULL */
static unsigned long map_user(struct kunit *test, struct fabric_fn *provider,
			      unsigned int pages)
{
	struct file *file = NULL;
	unsigned long addr;

	if (provider) {
		file = anon_inode_getfile("rlist_test", &peer_fops, provider->pdev,
					  O_RDWR);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	}
	addr = kunit_vm_mmap(test, file, 0, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
			     file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (file)
		fput(file);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	return addr;
}

static phys_addr_t user_phys(struct kunit *test, unsigned long addr, bool *pinned)
{
	struct page *page = NULL;
	phys_addr_t phys;

	KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(addr, 1, FOLL_WRITE | FOLL_PCI_P2PDMA,
						     &page));
	phys = page_to_phys(page) + offset_in_page(addr);
	*pinned = folio_maybe_dma_pinned(page_folio(page));
	put_page(page);
	return phys;
}

/* The list is what is mapped at @addr, and all of that is pinned. */
static void expect_pinned(struct kunit *test, const struct rlist *list,
			  unsigned long addr, size_t len, struct p2pdma_resource *peer)
{
	struct rlist_range range;
	struct rlist_iter it;
	struct rlist_cpu cpu;
	bool pinned;
	u64 step;

	KUNIT_EXPECT_EQ(test, rlist_bytes(list), len);
	rlist_cpu_list(&cpu, list);
	rlist_for_each(&it, &cpu, &range) {
		KUNIT_EXPECT_PTR_EQ(test, range.peer, peer);
		for (; range.len; range.len -= step, range.start += step, addr += step) {
			step = min_t(u64, range.len, PAGE_SIZE - offset_in_page(addr));
			KUNIT_ASSERT_EQ(test, range.start, user_phys(test, addr, &pinned));
			KUNIT_ASSERT_TRUE(test, pinned);
		}
	}
}

static void expect_unpinned(struct kunit *test, unsigned long addr, unsigned int pages)
{
	bool pinned;

	for (; pages--; addr += PAGE_SIZE) {
		user_phys(test, addr, &pinned);
		KUNIT_ASSERT_FALSE(test, pinned);
	}
}

/* More than is pinned at a time, beginning and ending within a page */
static void user_memory_is_pinned(struct kunit *test)
{
	unsigned int pages = 2 * PAGE_SIZE / sizeof(struct page *) + 10;
	unsigned long addr = map_user(test, NULL, pages);
	size_t len = pages * PAGE_SIZE - 300;
	struct rlist list;

	rlist_init(&list);
	KUNIT_EXPECT_EQ(test, -EINVAL, pin_user_pages_rlist(addr, 0, FOLL_WRITE, &list));
	KUNIT_EXPECT_EQ(test, -EINVAL, pin_user_pages_rlist(addr, -addr + 1, FOLL_WRITE, &list));
	KUNIT_ASSERT_EQ(test, 0, pin_user_pages_rlist(addr + 100, len, FOLL_WRITE, &list));
	expect_pinned(test, &list, addr + 100, len, NULL);
	unpin_user_pages_rlist(&list, true);
	KUNIT_EXPECT_EQ(test, rlist_bytes(&list), 0);
	KUNIT_EXPECT_EQ(test, rlist_memory(&list), 0);
	expect_unpinned(test, addr, pages);

	/* A hole: nothing stays pinned of what is before it. */
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(addr + 600 * PAGE_SIZE, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, -EFAULT, pin_user_pages_rlist(addr, len, FOLL_WRITE, &list));
	KUNIT_EXPECT_EQ(test, rlist_bytes(&list), 0);
	KUNIT_EXPECT_EQ(test, rlist_memory(&list), 0);
	expect_unpinned(test, addr, 600);
}

/* Peer memory is pinned for who asks for it, and comes back. */
static void user_peer_memory_is_pinned(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *provider = endpoint_under(root_port(host_bridge(fabric)));
	struct p2pdma_resource *peer;
	u64 available, size;
	unsigned long addr;
	struct rlist list;
	bool pinned;

	fabric_scan(fabric);
	provider_register(test, provider);
	available = provider_view(provider->pdev).available;
	addr = map_user(test, provider, 4);
	peer = pci_p2pdma_find_resource(provider->pdev, user_phys(test, addr, &pinned),
					PAGE_SIZE);
	rlist_init(&list);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, pin_user_pages_rlist(addr, PAGE_SIZE, FOLL_WRITE,
							       &list));
	KUNIT_EXPECT_EQ(test, rlist_bytes(&list), 0);
	size = 3 * PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, 0, pin_user_pages_rlist(addr + 512, size,
						      FOLL_WRITE | FOLL_PCI_P2PDMA, &list));
	expect_pinned(test, &list, addr + 512, size, peer);
	/* Pinned, it outlives the mapping. */
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(addr, 4 * PAGE_SIZE));
	KUNIT_EXPECT_LT(test, provider_view(provider->pdev).available, available);
	unpin_user_pages_rlist(&list, true);
	KUNIT_EXPECT_EQ(test, provider_view(provider->pdev).available, available);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_list_is_small),
	KUNIT_CASE(large_ranges_stay_whole),
	KUNIT_CASE(blocks_are_as_large_as_can_be),
	KUNIT_CASE(user_memory_is_pinned),
	KUNIT_CASE(user_peer_memory_is_pinned),
	{}
};

static struct kunit_suite suite = {
	.name = "p2pdma_rlist_store",
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_DESCRIPTION("KUnit suite of how range lists are stored");
MODULE_LICENSE("GPL");
