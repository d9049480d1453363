// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of pages.c: struct pages for a range, who holds them, and how
 * they come back from user space.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/pfn_t.h>
#include <linux/sizes.h>

#include "fabric.h"
#include "provider.h"

#define RANGE		SZ_4M
#define RANGE_PAGES	(RANGE >> PAGE_SHIFT)

/*
 *	root port
 *	    |
 *	 a device	BAR 0: what gets pages
 */
struct ground {
	struct p2pdma_resource res;
	struct p2pdma_backing backing;
	struct pci_dev *pdev;
	bool added;
	atomic_t freed;
	atomic_t taken;		/* of those that came back, looked as if in use */
	u64 last_freed;
};

static void note_free(struct p2pdma_backing *backing, u64 offset, bool last)
{
	struct ground *g = container_of(backing, struct ground, backing);

	/*
	 * Whoever gets the page next may be on another CPU, and have it before
	 * this returns.
	 */
	if (page_ref_count(pfn_to_page(PHYS_PFN(g->res.start + offset))) != 1)
		atomic_inc(&g->taken);
	g->last_freed = offset;
	atomic_inc(&g->freed);
}

static void remove_pages(void *data)
{
	struct ground *g = data;

	if (g->added)
		p2pdma_pages_remove(&g->backing);
	g->added = false;
}

static struct ground *make_ground(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *fn = endpoint_under(root_port(host_bridge(fabric)));
	struct ground *g = kunit_kzalloc(test, sizeof(*g), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, g);
	fn->bar[0].size = 2 * RANGE;
	fabric_scan(fabric);
	g->pdev = fn->pdev;
	g->res.pdev = fn->pdev;
	g->res.start = pci_resource_start(fn->pdev, 0);
	g->res.size = RANGE;
	g->backing.page_free = note_free;
	return g;
}

static struct ground *make_pages(struct kunit *test)
{
	struct ground *g = make_ground(test);

	KUNIT_ASSERT_EQ(test, 0, p2pdma_pages_add(&g->backing, &g->res));
	g->added = true;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove_pages, g));
	return g;
}

static struct page *page_at(struct ground *g, u64 offset)
{
	return pfn_to_page(PHYS_PFN(g->res.start + offset));
}

/* ---- what can have pages ---- */

/* Alignment is that of the address, not of the offset in a BAR. */
static void pages_check_range(struct kunit *test)
{
	struct ground *g = make_ground(test);
	struct pci_dev *pdev = g->pdev;
	u64 start = g->res.start;

	KUNIT_EXPECT_EQ(test, 0, p2pdma_pages_check(pdev, start, SZ_2M));
	KUNIT_EXPECT_EQ(test, 0, p2pdma_pages_check(pdev, start + SZ_2M, SZ_4M));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			p2pdma_pages_check(pdev, start + PAGE_SIZE, SZ_2M));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			p2pdma_pages_check(pdev, start + SZ_1M, SZ_2M));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			p2pdma_pages_check(pdev, start, SZ_2M + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, -EINVAL, p2pdma_pages_check(pdev, start, SZ_1M));
	/* Beyond what the kernel maps, and round the end of all addresses */
	KUNIT_EXPECT_EQ(test, -ERANGE,
			p2pdma_pages_check(pdev, BIT_ULL(60), SZ_2M));
	KUNIT_EXPECT_EQ(test, -ERANGE,
			p2pdma_pages_check(pdev, -(u64)SZ_2M, SZ_4M));
	KUNIT_EXPECT_EQ(test, -ERANGE,
			p2pdma_pages_check(pdev, start, BIT_ULL(60)));
}

static void pages_check_busy(struct kunit *test)
{
	struct ground *g = make_pages(test);
	struct pci_dev *pdev = g->pdev;
	u64 start = g->res.start;

	KUNIT_EXPECT_EQ(test, -EBUSY, p2pdma_pages_check(pdev, start, RANGE));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			p2pdma_pages_check(pdev, start + RANGE - SZ_2M, RANGE));
	KUNIT_EXPECT_EQ(test, -EBUSY, p2pdma_pages_check(pdev, start, SZ_2M));
	KUNIT_EXPECT_EQ(test, 0, p2pdma_pages_check(pdev, start + RANGE, RANGE));
	remove_pages(g);
	KUNIT_EXPECT_EQ(test, 0, p2pdma_pages_check(pdev, start, RANGE));
}

/* ---- their life ---- */

static void pages_each(struct kunit *test)
{
	struct ground *g = make_pages(test);
	u64 offset;

	for (offset = 0; offset < RANGE; offset += PAGE_SIZE) {
		struct page *page = page_at(g, offset);
		void *addr = g->backing.kaddr + offset;

		KUNIT_ASSERT_TRUE(test, is_pci_p2pdma_page(page));
		KUNIT_ASSERT_EQ(test, page_ref_count(page), 1);
		KUNIT_ASSERT_PTR_EQ(test, p2pdma_page_resource(page), &g->res);
		KUNIT_ASSERT_PTR_EQ(test, page_address(page), addr);
		KUNIT_ASSERT_PTR_EQ(test, p2pdma_virt_backing(addr), &g->backing);
	}
	/* Peer memory never becomes general memory. */
	KUNIT_EXPECT_TRUE(test, is_zone_device_page(page_at(g, 0)));
}

/* While no BAR is registered, the question costs no look at the page. */
static void pages_key(struct kunit *test)
{
	int before = static_key_count(&pci_p2pdma_key.key);
	struct ground *g = make_pages(test);

	KUNIT_EXPECT_TRUE(test, static_key_enabled(&pci_p2pdma_key));
	KUNIT_EXPECT_FALSE(test, is_pci_p2pdma_page(virt_to_page(g)));
	remove_pages(g);
	KUNIT_EXPECT_EQ(test, before, static_key_count(&pci_p2pdma_key.key));
}

/* ---- user space ---- */

struct mapping {
	struct ground *g;
	u64 offset;
	struct page *obstacle;		/* in the way at the third page, or NULL */
	unsigned long mapped;
	int error;
};

static int mapping_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mapping *m = file->private_data;

	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	if (m->obstacle)
		vm_insert_page(vma, vma->vm_start + 2 * PAGE_SIZE, m->obstacle);
	/* In parts that are not equal */
	m->mapped = 0;
	m->error = p2pdma_pages_insert(&m->g->backing, m->offset, vma,
				       &m->mapped, PAGE_SIZE,
				       pci_p2pdma_outages());
	if (!m->error)
		m->error = p2pdma_pages_insert(&m->g->backing, m->offset, vma,
					       &m->mapped,
					       vma->vm_end - vma->vm_start,
					       pci_p2pdma_outages());
	return m->error;
}

static const struct file_operations mapping_fops = {
	.mmap = mapping_mmap,
};

static void close_file(void *file)
{
	fput(file);
}

/* mmap() of @len bytes; the address or an error, as vm_mmap() has it */
static unsigned long map_pages(struct kunit *test, struct mapping *m,
			       unsigned long len)
{
	struct file *file = anon_inode_getfile("pages_test", &mapping_fops, m,
					       O_RDWR);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, close_file, file));
	return kunit_vm_mmap(test, file, 0, len, PROT_READ | PROT_WRITE,
			     MAP_SHARED, 0);
}

/*
 * A page that comes back is free when the pool is told, and not a moment later.
 */
static void pages_user(struct kunit *test)
{
	struct mapping m = { .g = make_pages(test), .offset = SZ_1M };
	unsigned long len = 8 * PAGE_SIZE, addr;
	int i;

	addr = map_pages(test, &m, len);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, m.mapped, len);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, 1,
				page_ref_count(page_at(m.g, m.offset + i * PAGE_SIZE)));

	/* One page that somebody has pinned outlives the mapping. */
	get_page(page_at(m.g, m.offset + 3 * PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(addr, len));
	KUNIT_EXPECT_EQ(test, atomic_read(&m.g->freed), 7);
	put_page(page_at(m.g, m.offset + 3 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, atomic_read(&m.g->freed), 8);
	KUNIT_EXPECT_EQ(test, m.g->last_freed, m.offset + 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, page_ref_count(page_at(m.g, m.offset)), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&m.g->taken), 0);
}

/* ---- user space, by GUP ---- */

static long pin_fast(unsigned long addr, unsigned int flags, struct page **page)
{
	return pin_user_pages_fast(addr, 1, flags, page);
}

static long pin_slow(unsigned long addr, unsigned int flags, struct page **page)
{
	return pin_user_pages_unlocked(addr, 1, page, flags);
}

static long get_fast(unsigned long addr, unsigned int flags, struct page **page)
{
	return get_user_pages_fast(addr, 1, flags, page);
}

static long get_slow(unsigned long addr, unsigned int flags, struct page **page)
{
	return get_user_pages_unlocked(addr, 1, page, flags);
}

static const struct way {
	const char *name;
	long (*take)(unsigned long addr, unsigned int flags, struct page **page);
	void (*drop)(struct page *page);
	bool pins;
} ways[] = {
	{ "pin_fast", pin_fast, unpin_user_page, true },
	{ "pin_slow", pin_slow, unpin_user_page, true },
	{ "get_fast", get_fast, put_page },
	{ "get_slow", get_slow, put_page },
};

KUNIT_ARRAY_PARAM_DESC(way, ways, name);

/*
 * Only for who consents, never for long; and what those do to a page who got it
 * finds nothing wild.
 */
static void pages_user_consent(struct kunit *test)
{
	struct mapping m = { .g = make_pages(test), .offset = SZ_1M };
	const struct way *way = test->param_value;
	struct page *page, *first = page_at(m.g, m.offset);
	static const unsigned int how[] = { 0, FOLL_WRITE };
	unsigned long addr;
	int i;

	addr = map_pages(test, &m, 2 * PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		KUNIT_EXPECT_EQ(test, -EREMOTEIO, way->take(addr, how[i], &page));
		if (way->pins)
			KUNIT_EXPECT_EQ(test, -EREMOTEIO,
					way->take(addr, how[i] | FOLL_LONGTERM,
						  &page));
		KUNIT_EXPECT_EQ(test, 1, page_ref_count(first));

		page = NULL;
		KUNIT_ASSERT_EQ(test, 1, way->take(addr, how[i] | FOLL_PCI_P2PDMA,
						   &page));
		KUNIT_EXPECT_PTR_EQ(test, page, first);
		KUNIT_EXPECT_EQ(test, way->pins,
				folio_maybe_dma_pinned(page_folio(first)));
		KUNIT_EXPECT_NULL(test, folio_mapping(page_folio(first)));
		set_page_dirty_lock(first);
		KUNIT_EXPECT_NULL(test, folio_mapping(page_folio(first)));
		way->drop(first);
		KUNIT_EXPECT_EQ(test, 1, page_ref_count(first));
	}
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&m.g->freed));
}

/* The fast way is one that works: it is not always the slow one that does. */
static void pages_user_fast_only(struct kunit *test)
{
	struct mapping m = { .g = make_pages(test) };
	struct page *page = NULL;
	unsigned long addr;

	addr = map_pages(test, &m, PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, 0, get_user_pages_fast_only(addr, 1, FOLL_WRITE, &page));
	KUNIT_ASSERT_EQ(test, 1,
			get_user_pages_fast_only(addr, 1,
						 FOLL_WRITE | FOLL_PCI_P2PDMA,
						 &page));
	KUNIT_EXPECT_PTR_EQ(test, page, page_at(m.g, 0));
	put_page(page);
	KUNIT_EXPECT_EQ(test, 1, page_ref_count(page_at(m.g, 0)));
}

static bool never_invalidated(struct mmu_interval_notifier *mni,
			      const struct mmu_notifier_range *range,
			      unsigned long seq)
{
	mmu_interval_set_seq(mni, seq);
	return true;
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = never_invalidated,
};

/* What a driver that mirrors page tables is given for one page */
static int mirror(unsigned long addr, unsigned long want, unsigned long *pfn)
{
	struct mmu_interval_notifier mni;
	struct hmm_range range = {
		.notifier = &mni,
		.start = addr,
		.end = addr + PAGE_SIZE,
		.hmm_pfns = pfn,
		.default_flags = want,
	};
	int error;

	error = mmu_interval_notifier_insert(&mni, current->mm, addr, PAGE_SIZE,
					     &notifier_ops);
	if (error)
		return error;
	do {
		*pfn = 0;
		range.notifier_seq = mmu_interval_read_begin(&mni);
		mmap_read_lock(current->mm);
		error = hmm_range_fault(&range);
		mmap_read_unlock(current->mm);
	} while (error == -EBUSY);	/* a fault that took a page away */
	mmu_interval_notifier_remove(&mni);
	return error;
}

/* Who mirrors page tables has not consented, and would hold no reference. */
static void pages_user_mirrored(struct kunit *test)
{
	struct mapping m = { .g = make_pages(test), .offset = SZ_1M };
	static const unsigned long how[] = {
		HMM_PFN_REQ_FAULT, HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE,
	};
	unsigned long addr, ram, pfn;
	int i;

	addr = map_pages(test, &m, PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	ram = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(ram));

	for (i = 0; i < ARRAY_SIZE(how); i++) {
		KUNIT_EXPECT_EQ(test, -EFAULT, mirror(addr, how[i], &pfn));
		KUNIT_EXPECT_EQ(test, 0, mirror(ram, how[i], &pfn));
		KUNIT_EXPECT_TRUE(test, pfn & HMM_PFN_VALID);
	}
	/* A snapshot is no error, but shows none of it. */
	KUNIT_EXPECT_EQ(test, 0, mirror(addr, 0, &pfn));
	KUNIT_EXPECT_EQ(test, pfn, HMM_PFN_ERROR);
	KUNIT_EXPECT_EQ(test, 1, page_ref_count(page_at(m.g, m.offset)));
}

static void free_obstacle(void *page)
{
	put_page(page);
}

/*
 * A mapping that fails half-way gives back what it had mapped, and the rest
 * stays the caller's.
 */
static void pages_user_fails(struct kunit *test)
{
	struct mapping m = { .g = make_pages(test) };
	unsigned long len = 5 * PAGE_SIZE, addr;
	int i;

	m.obstacle = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.obstacle);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_obstacle, m.obstacle));
	addr = map_pages(test, &m, len);
	KUNIT_EXPECT_TRUE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, m.error, -EBUSY);
	KUNIT_EXPECT_EQ(test, m.mapped, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, atomic_read(&m.g->freed), 2);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, 1, page_ref_count(page_at(m.g, i * PAGE_SIZE)));
}

/* A BAR that has no pages, mapped as if it had, as DAX maps what has. */
static int devmap_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ground *g = file->private_data;
	pfn_t pfn = phys_to_pfn_t(g->res.start, PFN_DEV | PFN_MAP);

	vm_flags_set(vma, VM_MIXEDMAP);
	if (vmf_insert_mixed(vma, vma->vm_start, pfn) != VM_FAULT_NOPAGE)
		return -EFAULT;
	return 0;
}

static const struct file_operations devmap_fops = {
	.mmap = devmap_mmap,
};

/*
 * There is no page that could be handed out, and never will be: an error,
 * rather than one page fault after the other for ever.
 */
static void pages_user_none(struct kunit *test)
{
	struct ground *g = make_ground(test);
	struct page *page = NULL;
	struct file *file;
	unsigned long addr;

	file = anon_inode_getfile("pages_test", &devmap_fops, g, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, close_file, file));
	addr = kunit_vm_mmap(test, file, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			pin_user_pages_fast(addr, 1, FOLL_PCI_P2PDMA, &page));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			get_user_pages_fast(addr, 1, FOLL_PCI_P2PDMA, &page));
	KUNIT_EXPECT_EQ(test, -EFAULT, get_user_pages_fast(addr, 1, 0, &page));
}

static struct kunit_case pages_cases[] = {
	KUNIT_CASE(pages_check_range),
	KUNIT_CASE(pages_check_busy),
	KUNIT_CASE(pages_each),
	KUNIT_CASE(pages_key),
	KUNIT_CASE(pages_user),
	KUNIT_CASE_PARAM(pages_user_consent, way_gen_params),
	KUNIT_CASE(pages_user_fast_only),
	KUNIT_CASE(pages_user_mirrored),
	KUNIT_CASE(pages_user_fails),
	KUNIT_CASE(pages_user_none),
	{}
};

static struct kunit_suite pages_suite = {
	.name = "p2pdma_pages",
	.test_cases = pages_cases,
};

kunit_test_suite(pages_suite);

MODULE_DESCRIPTION("KUnit suite of struct pages for peer memory");
MODULE_LICENSE("GPL");
