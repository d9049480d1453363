// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of registration: what a device registers begins and
 * ends.  A registration that fails leaves everything as it was.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernfs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include "../memory.h"
#include "fabric.h"
#include "provider.h"

#define BAR_SIZE	SZ_16M

/*
 *	root port
 *	    |
 *	 provider		BAR 0: 16 MiB, BAR 2: 1 MiB, BAR 4: 2 MiB below 4 GiB
 */
static struct fabric_fn *make_provider(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *fn = endpoint_under(root_port(host_bridge(fabric)));

	fn->bar[0].size = BAR_SIZE;
	fn->bar[2].size = SZ_1M;
	fn->bar[2].flags = FABRIC_BAR_64 | FABRIC_BAR_PREFETCH;
	fn->bar[4].size = SZ_2M;
	fabric_scan(fabric);
	return fn;
}

/* What a driver that lets go of the device does */
static void unbind(void *data)
{
	struct pci_dev *pdev = data;

	device_release_driver(&pdev->dev);
}

/* ---- bad input ---- */

static const struct bad {
	const char *name;
	int bar;
	size_t size;
	u64 offset;
	int error;
} bads[] = {
	{ "bar_negative", -1, 0, 0, -EINVAL },
	{ "bar_of_the_rom", PCI_ROM_RESOURCE, 0, 0, -EINVAL },
	{ "bar_beyond_all", INT_MAX, 0, 0, -EINVAL },
	{ "upper_half_of_a_bar", 1, 0, 0, -EINVAL },
	{ "bar_absent", 5, 0, 0, -EINVAL },
	{ "offset_at_the_end", 0, 0, BAR_SIZE, -EINVAL },
	{ "offset_beyond", 0, SZ_2M, BAR_SIZE + SZ_2M, -EINVAL },
	{ "offset_wraps", 0, SZ_4M, -(u64)SZ_2M, -EINVAL },
	{ "size_beyond", 0, BAR_SIZE + SZ_2M, 0, -EINVAL },
	{ "end_beyond", 0, BAR_SIZE, SZ_2M, -EINVAL },
	{ "end_wraps", 0, -(size_t)SZ_2M, SZ_4M, -EINVAL },
	{ "size_is_everything", 0, SIZE_MAX, SZ_2M, -EINVAL },
	{ "offset_misaligned", 0, SZ_2M, PAGE_SIZE, -EINVAL },
	{ "offset_odd", 0, SZ_2M, 1, -EINVAL },
	{ "size_misaligned", 0, SZ_2M + PAGE_SIZE, 0, -EINVAL },
	{ "rest_misaligned", 0, 0, SZ_1M, -EINVAL },
	{ "bar_too_small", 2, 0, 0, -EINVAL },
	{ "overlaps", 0, SZ_4M, SZ_2M, -EBUSY },
	{ "inside", 0, SZ_2M, SZ_4M, -EBUSY },
	{ "around", 0, 0, 0, -EBUSY },
	{ "tail_overlaps", 0, SZ_4M, SZ_8M - SZ_2M, -EBUSY },
};

static void expect_refused(struct kunit *test, struct pci_dev *pdev,
			   const struct bad *bad)
{
	struct provider_state before = provider_view(pdev), after;
	int error;

	error = pci_p2pdma_add_resource(pdev, bad->bar, bad->size, bad->offset);
	KUNIT_EXPECT_EQ_MSG(test, error, bad->error, "%s", bad->name);
	after = provider_view(pdev);
	KUNIT_EXPECT_EQ_MSG(test, 0, memcmp(&before, &after, sizeof(before)),
			    "%s changes something", bad->name);
}

/* With 4 MiB registered already, and published. */
static void register_bad(struct kunit *test)
{
	struct fabric_fn *fn = make_provider(test);
	struct pci_dev *pdev = fn->pdev;
	int i;

	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_4M, SZ_4M));
	pci_p2pmem_publish(pdev, true);
	provider_alloc(test, fn, SZ_64K);
	for (i = 0; i < ARRAY_SIZE(bads); i++)
		expect_refused(test, pdev, &bads[i]);

	/* The first one goes on as before, and can have company. */
	provider_alloc(test, fn, SZ_64K);
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_2M, SZ_8M));
	provider_expect(test, pdev, 2, SZ_4M + SZ_2M, SZ_4M + SZ_2M - SZ_128K);
}

/* The same with nothing registered yet: nothing is registered afterwards. */
static void register_bad_first(struct kunit *test)
{
	struct pci_dev *pdev = make_provider(test)->pdev;
	int i;

	for (i = 0; i < ARRAY_SIZE(bads); i++)
		if (bads[i].error != -EBUSY)
			expect_refused(test, pdev, &bads[i]);
	provider_expect(test, pdev, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, 0, 0));
	provider_expect(test, pdev, 1, BAR_SIZE, BAR_SIZE);
}

static bool is_unvetted(struct pci_dev *pdev)
{
	guard(rcu)();
	return rcu_dereference(pdev->p2pdma)->unvetted;
}

/*
 * A device that is in no id table of its driver, which somebody has given it to:
 * what is in its BARs is that one's word.
 */
static void register_given(struct kunit *test)
{
	struct pci_dev *pdev = make_provider(test)->pdev;
	u16 device = pdev->device;

	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_2M, 0));
	KUNIT_EXPECT_FALSE(test, is_unvetted(pdev));
	pdev->device++;
	KUNIT_ASSERT_EQ(test, 0,
			pci_p2pdma_add_resource(pdev, 0, SZ_2M, SZ_2M));
	pdev->device = device;
	KUNIT_EXPECT_TRUE(test, is_unvetted(pdev));
}

/* A ROM has an address, but no BAR that could be registered. */
static void register_rom(struct kunit *test)
{
	struct pci_dev *pdev = make_provider(test)->pdev;
	struct resource *rom = &pdev->resource[PCI_ROM_RESOURCE], saved = *rom;

	*rom = pdev->resource[0];
	KUNIT_EXPECT_EQ(test, -EINVAL,
			pci_p2pdma_add_resource(pdev, PCI_ROM_RESOURCE, 0, 0));
	*rom = saved;
	provider_expect(test, pdev, 0, 0, 0);
}

static void register_no_address(struct kunit *test)
{
	struct pci_dev *pdev = make_provider(test)->pdev;
	struct resource *res = &pdev->resource[0], saved = *res;

	res->flags |= IORESOURCE_UNSET;
	KUNIT_EXPECT_EQ(test, -EINVAL, pci_p2pdma_add_resource(pdev, 0, 0, 0));
	res->flags = saved.flags;
	res->parent = NULL;
	KUNIT_EXPECT_EQ(test, -EINVAL, pci_p2pdma_add_resource(pdev, 0, 0, 0));
	res->parent = saved.parent;
	res->flags = IORESOURCE_IO;
	KUNIT_EXPECT_EQ(test, -EINVAL, pci_p2pdma_add_resource(pdev, 0, 0, 0));
	res->flags = saved.flags;
	provider_expect(test, pdev, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, 0, 0));
}

/* What does not wake cannot register. */
static void register_asleep(struct kunit *test)
{
#ifdef CONFIG_PM
	struct pci_dev *pdev = make_provider(test)->pdev;
	struct provider_state before = provider_view(pdev), after;

	pdev->dev.power.runtime_error = -EIO;
	KUNIT_EXPECT_EQ(test, -EINVAL, pci_p2pdma_add_resource(pdev, 0, 0, 0));
	pdev->dev.power.runtime_error = 0;
	after = provider_view(pdev);
	KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, 0, 0));
#else
	kunit_skip(test, "no runtime PM");
#endif
}

/*
 * The last step fails, as there are attributes of that name.  Devres must not
 * take the range away a second time.
 */
static void register_name_taken(struct kunit *test)
{
	static struct attribute *none[] = { NULL };
	static const struct attribute_group taken = {
		.name = "p2pmem", .attrs = none,
	};
	struct pci_dev *pdev = make_provider(test)->pdev;
	struct provider_state before, after;

	KUNIT_ASSERT_EQ(test, 0, sysfs_create_group(&pdev->dev.kobj, &taken));
	before = provider_view(pdev);
	KUNIT_EXPECT_EQ(test, -EEXIST, pci_p2pdma_add_resource(pdev, 0, 0, 0));
	after = provider_view(pdev);
	KUNIT_EXPECT_MEMEQ(test, &before, &after, sizeof(before));
	sysfs_remove_group(&pdev->dev.kobj, &taken);

	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, 0, 0));
	provider_expect(test, pdev, 1, BAR_SIZE, BAR_SIZE);
	unbind(pdev);
	provider_expect(test, pdev, 0, 0, 0);
	KUNIT_ASSERT_EQ(test, 1, device_attach(&pdev->dev));
}

/* ---- good input ---- */

static void register_parts(struct kunit *test)
{
	struct fabric_fn *fn = make_provider(test);
	struct pci_dev *pdev = fn->pdev;
	phys_addr_t start = pci_resource_start(pdev, 0);
	void *addr;

	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_2M, SZ_4M));
	provider_expect(test, pdev, 1, SZ_2M, SZ_2M);
	addr = provider_alloc(test, fn, SZ_2M);
	KUNIT_EXPECT_EQ(test, page_to_phys(virt_to_page(addr)), start + SZ_4M);

	/* The rest of the BAR, and another BAR */
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, 0, SZ_8M));
	provider_expect(test, pdev, 2, SZ_2M + SZ_8M, SZ_8M);
	addr = provider_alloc(test, fn, SZ_8M);
	KUNIT_EXPECT_EQ(test, page_to_phys(virt_to_page(addr)), start + SZ_8M);
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 4, 0, 0));
	addr = provider_alloc(test, fn, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, page_to_phys(virt_to_page(addr)),
			pci_resource_start(pdev, 4));
	KUNIT_EXPECT_EQ(test, pci_p2pmem_virt_to_bus(pdev, addr),
			pci_bus_address(pdev, 4));
}

/* ---- the end ---- */

static void register_unbind(struct kunit *test)
{
	struct pci_dev *pdev = make_provider(test)->pdev;
	struct device *dev = &pdev->dev;
	int round;

	for (round = 0; round < 3; round++) {
		KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_2M, 0));
		KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_4M, SZ_4M));
		pci_p2pmem_publish(pdev, true);
		provider_expect(test, pdev, 2, SZ_2M + SZ_4M, SZ_2M + SZ_4M);
		unbind(pdev);
		provider_expect(test, pdev, 0, 0, 0);
		KUNIT_EXPECT_FALSE(test, pci_has_p2pmem(pdev));
		KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, PAGE_SIZE));
		KUNIT_EXPECT_NULL(test, pci_p2pmem_find(dev));
		KUNIT_ASSERT_EQ(test, 1, device_attach(dev));
	}
}

/*
 * Memory of any of several ranges holds up the removal of all; nothing new
 * begins meanwhile.
 */
static void register_unbind_waits(struct kunit *test)
{
	static const u64 from[] = { 0, SZ_4M, SZ_8M };
	struct pci_dev *pdev = make_provider(test)->pdev;
	struct job *removal;
	void *addr[3];
	int i, kept;
	u16 awake;

	for (kept = 0; kept < 3; kept++) {
		for (i = 0; i < 3; i++) {
			KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_2M,
									 from[i]));
			addr[i] = pci_alloc_p2pmem(pdev, SZ_2M);
			KUNIT_ASSERT_NOT_NULL(test, addr[i]);
		}
		pci_p2pmem_publish(pdev, true);
		for (i = 0; i < 3; i++)
			if (i != kept)
				pci_free_p2pmem(pdev, addr[i], SZ_2M);

		removal = job_start(test, unbind, pdev);
		KUNIT_EXPECT_TRUE(test, job_waits(removal));
		KUNIT_EXPECT_FALSE(test, pci_has_p2pmem(pdev));
		KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, PAGE_SIZE));
		KUNIT_EXPECT_NULL(test, pci_p2pmem_find(&pdev->dev));
		KUNIT_EXPECT_FALSE(test, provider_attribute(pdev, NULL));
		/* What is held stays usable. */
		KUNIT_EXPECT_EQ(test, pci_p2pmem_virt_to_bus(pdev, addr[kept]),
				pci_bus_address(pdev, 0) + from[kept]);
		KUNIT_EXPECT_TRUE(test, job_waits(removal));
		awake = provider_view(pdev).awake;
		pci_free_p2pmem(pdev, addr[kept], SZ_2M);
		KUNIT_EXPECT_TRUE(test, job_ends(removal));
		provider_expect(test, pdev, 0, 0, 0);
		/* Until then it had to stay awake. */
		if (IS_ENABLED(CONFIG_PM))
			KUNIT_EXPECT_GT(test, awake, provider_view(pdev).awake);
		KUNIT_ASSERT_EQ(test, 1, device_attach(&pdev->dev));
	}
}

static void unplug(void *fn)
{
	fabric_unplug(fn);
}

static void yank(void *fn)
{
	fabric_yank(fn);
}

static const struct way_out {
	const char *name;
	void (*go)(void *fn);
} ways_out[] = {
	{ "with_notice", unplug },
	{ "without_notice", yank },
};

KUNIT_ARRAY_PARAM_DESC(way_out, ways_out, name);

/* That the device is not there any more is no reason not to wait. */
static void register_unplug(struct kunit *test)
{
	const struct way_out *way = test->param_value;
	struct fabric_fn *fn = make_provider(test);
	struct pci_dev *pdev = pci_dev_get(fn->pdev);
	struct job *removal;
	void *addr;

	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, 0, 0));
	addr = pci_alloc_p2pmem(pdev, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	removal = job_start(test, way->go, fn);
	KUNIT_ASSERT_TRUE(test, job_waits(removal));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, PAGE_SIZE));
	pci_free_p2pmem(pdev, addr, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, job_ends(removal));
	pci_dev_put(pdev);

	fabric_replug(fn);
	provider_expect(test, fn->pdev, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(fn->pdev, 0, 0, 0));
}

/* ---- programs that map what is registered ---- */

/**
 * struct mapping - an mmap() of peer memory that does not go smoothly
 * @test: test
 * @pdev: provider
 * @own: of a driver's own file, not of p2pmem/allocate
 * @allocate: its file
 * @obstacle: page that is in the way at the third page, or NULL
 * @private: it is a private one
 * @overtaken: @removal begins within the mmap()
 * @removal: takes the provider away
 */
struct mapping {
	struct kunit *test;
	struct pci_dev *pdev;
	bool own;
	struct file *allocate;
	struct page *obstacle;
	bool private;
	bool overtaken;
	struct job *removal;
};

static struct file *open_allocate(struct pci_dev *pdev)
{
	char *path __free(kfree) = kobject_get_path(&pdev->dev.kobj, GFP_KERNEL);
	struct file_system_type *sysfs = get_fs_type("sysfs");
	struct vfsmount *mount = kern_mount(sysfs);
	struct file *file;
	char name[160];

	put_filesystem(sysfs);
	if (IS_ERR(mount))
		return ERR_CAST(mount);
	snprintf(name, sizeof(name), "%s/p2pmem/allocate", path + 1);
	file = file_open_root_mnt(mount, name, O_RDWR, 0);
	kern_unmount(mount);
	return file;
}

/*
 * To the file's own mmap() the mapping is ready, but nobody finds it before
 * this has returned: here is where removal looks for it in vain.
 */
static int mapping_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mapping *m = file->private_data;
	int error = 0, i;

	if (!m->own)
		vma_set_file(vma, m->allocate);
	if (m->obstacle)
		error = vm_insert_page(vma, vma->vm_start + 2 * PAGE_SIZE,
				       m->obstacle);
	if (!error)
		error = m->own ? pci_p2pmem_mmap(m->pdev, vma) :
				 call_mmap(m->allocate, vma);
	if (error || !m->overtaken)
		return error;
	m->removal = job_start(m->test, unbind, m->pdev);
	/* So long that it has looked, and waits for the memory. */
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_TRUE(m->test, job_waits(m->removal));
	return 0;
}

static const struct file_operations mapping_fops = {
	.mmap = mapping_mmap,
};

static void put_file(void *file)
{
	__fput_sync(file);
}

/* Register @size of a BAR, and open what user programs would. */
static void mapping_of(struct kunit *test, struct mapping *m, int bar, u64 size)
{
	m->test = test;
	m->pdev = make_provider(test)->pdev;
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(m->pdev, bar, size, 0));
	m->allocate = open_allocate(m->pdev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, m->allocate);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put_file,
							   m->allocate));
}

static void mapping_init(struct kunit *test, struct mapping *m)
{
	mapping_of(test, m, 0, SZ_4M);
}

static unsigned long map_allocate(struct mapping *m, unsigned long len)
{
	struct file *file = anon_inode_getfile("register_test", &mapping_fops,
					       m, O_RDWR);
	unsigned long addr;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(m->test, file);
	addr = kunit_vm_mmap(m->test, file, 0, len, PROT_READ | PROT_WRITE,
			     m->private ? MAP_PRIVATE : MAP_SHARED, 0);
	fput(file);
	return addr;
}

/* ---- how the CPU maps it ---- */

static const struct cpu_type {
	const char *name;
	int bar;
	bool writecombine;
	bool own;
} cpu_types[] = {
	{ "prefetchable", 0, true },
	{ "not_prefetchable", 4, false },
	{ "prefetchable_own_file", 0, true, true },
	{ "not_prefetchable_own_file", 4, false, true },
};

KUNIT_ARRAY_PARAM_DESC(cpu_type, cpu_types, name);

/* Never cacheable; write-combined where the BAR may be. */
static void register_memory_type(struct kunit *test)
{
	const struct cpu_type *type = test->param_value;
	struct mapping m = { .own = type->own };
	struct vm_area_struct *vma;
	unsigned long addr;
	pgprot_t prot = {};

	mapping_of(test, &m, type->bar, SZ_2M);
	addr = map_allocate(&m, PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	mmap_read_lock(current->mm);
	vma = find_vma(current->mm, addr);
	if (vma)
		prot = vma->vm_page_prot;
	mmap_read_unlock(current->mm);

	/* What is of a type already does not change; both at once is neither. */
	KUNIT_EXPECT_EQ(test, type->writecombine,
			pgprot_val(prot) == pgprot_val(pgprot_writecombine(prot)));
	KUNIT_EXPECT_EQ(test, !type->writecombine,
			pgprot_val(prot) == pgprot_val(pgprot_noncached(prot)));
}

/* ---- the end, with pins ---- */

static void put_pages(struct page **pages, unsigned long n)
{
	while (n--)
		put_page(pages[n]);
}

/* What direct I/O takes, and what those take who only look at the page */
static const struct pin {
	const char *name;
	int (*take)(unsigned long addr, int n, unsigned int flags,
		    struct page **pages);
	void (*drop)(struct page **pages, unsigned long n);
} pins[] = {
	{ "pin", pin_user_pages_fast, unpin_user_pages },
	{ "reference", get_user_pages_fast, put_pages },
};

static void describe_pin(const struct pin *pin, char *text)
{
	strscpy(text, pin->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pin, pins, describe_pin);

/*
 * A page in the middle of a mapping that I/O still holds when the mapping has
 * gone.  Removal waits for it and for nothing else, frees none of the pages
 * before, and ends as soon as it is let go of.
 */
static void register_unbind_pinned(struct kunit *test)
{
	const struct pin *pin = test->param_value;
	const unsigned long len = 4 * PAGE_SIZE;
	struct page *held[2], *page;
	struct mapping m = {};
	struct pci_dev *pdev;
	struct job *removal;
	unsigned long addr;

	mapping_init(test, &m);
	pdev = m.pdev;
	addr = map_allocate(&m, len);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_ASSERT_EQ(test, 2, pin->take(addr + PAGE_SIZE, 2,
					   FOLL_WRITE | FOLL_PCI_P2PDMA, held));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(addr, len));
	provider_expect(test, pdev, 1, SZ_4M, SZ_4M - 2 * PAGE_SIZE);

	removal = job_start(test, unbind, pdev);
	/* If it does not wait there is nothing left to look at. */
	KUNIT_ASSERT_TRUE(test, job_waits(removal));
	provider_expect(test, pdev, 0, 0, 0);
	for (page = held[0]; page <= held[1]; page++) {
		KUNIT_EXPECT_TRUE(test, is_pci_p2pdma_page(page));
		KUNIT_EXPECT_PTR_EQ(test, p2pdma_page_resource(page)->pdev, pdev);
	}
	pin->drop(held, 1);
	KUNIT_ASSERT_TRUE(test, job_waits(removal));
	KUNIT_EXPECT_TRUE(test, is_pci_p2pdma_page(held[1]));
	pin->drop(held + 1, 1);
	KUNIT_EXPECT_TRUE(test, job_ends(removal));
	KUNIT_ASSERT_EQ(test, 1, device_attach(&pdev->dev));
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0, SZ_4M, 0));
	provider_expect(test, pdev, 1, SZ_4M, SZ_4M);
}

/* ---- the end, with mappings ---- */

static const struct overtaken {
	const char *name;
	bool overtaken;
	bool own;
} overtakes[] = {
	{ "after_mmap", false, false },
	{ "within_mmap", true, false },
	{ "after_mmap_own_file", false, true },
	{ "within_mmap_own_file", true, true },
};

KUNIT_ARRAY_PARAM_DESC(overtakes, overtakes, name);

/*
 * What is mapped is torn down, and removal comes to its end without the
 * program's help, wherever in the program's mmap() it begins.
 */
static void register_unbind_mapped(struct kunit *test)
{
	const struct overtaken *how = test->param_value;
	struct mapping m = { .overtaken = how->overtaken, .own = how->own };
	const unsigned long len = 4 * PAGE_SIZE;
	unsigned long addr;
	char byte = 1;

	mapping_init(test, &m);
	addr = map_allocate(&m, len);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	if (!m.overtaken) {
		provider_expect(test, m.pdev, 1, SZ_4M, SZ_4M - len);
		KUNIT_EXPECT_EQ(test, 0, get_user(byte, (char __user *)addr));
		KUNIT_EXPECT_EQ(test, 0, byte);
		m.removal = job_start(test, unbind, m.pdev);
	}
	KUNIT_EXPECT_TRUE(test, job_ends(m.removal));
	KUNIT_EXPECT_NE(test, 0, get_user(byte, (char __user *)addr));
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr, len));
	provider_expect(test, m.pdev, 0, 0, 0);
}

/* A resource that is unregistered takes its mappings with it, and no others. */
static void register_give_up_mapped(struct kunit *test)
{
	const unsigned long len = 4 * PAGE_SIZE;
	struct mapping m = {};
	unsigned long addr;
	char byte = 1;

	mapping_init(test, &m);
	addr = map_allocate(&m, len);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(m.pdev, 0, SZ_2M, SZ_8M));
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_remove_resource(m.pdev, 0, SZ_8M));
	KUNIT_EXPECT_EQ(test, 0, get_user(byte, (char __user *)addr));
	KUNIT_EXPECT_EQ(test, 0, byte);
	provider_expect(test, m.pdev, 1, SZ_4M, SZ_4M - len);

	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(m.pdev, 0, SZ_2M, SZ_8M));
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_remove_resource(m.pdev, 0, 0));
	KUNIT_EXPECT_NE(test, 0, get_user(byte, (char __user *)addr));
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr, len));
	provider_expect(test, m.pdev, 1, SZ_2M, SZ_2M);
}

static void free_obstacle(void *page)
{
	put_page(page);
}

static const bool own_files[] = { false, true };

static void describe_own_file(const bool *own, char *text)
{
	strscpy(text, *own ? "own_file" : "allocate", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(own_file, own_files, describe_own_file);

/* An mmap() that fails half-way has taken nothing, and holds up nobody. */
static void register_mmap_fails(struct kunit *test)
{
	struct mapping m = {
		.obstacle = alloc_page(GFP_KERNEL),
		.own = *(const bool *)test->param_value,
	};
	struct job *removal;

	KUNIT_ASSERT_NOT_NULL(test, m.obstacle);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_obstacle,
							   m.obstacle));
	mapping_init(test, &m);
	KUNIT_EXPECT_EQ(test, -EBUSY, (int)map_allocate(&m, 5 * PAGE_SIZE));
	provider_expect(test, m.pdev, 1, SZ_4M, SZ_4M);
	removal = job_start(test, unbind, m.pdev);
	KUNIT_EXPECT_TRUE(test, job_ends(removal));
}

/*
 * By a driver's own file: of a device that provides nothing, or just nothing of that
 * size; private; and during an outage.
 */
static void register_mmap_refused(struct kunit *test)
{
	struct mapping m = { .own = true };
	struct pci_dev *pdev;

	mapping_init(test, &m);
	pdev = m.pdev;
	KUNIT_EXPECT_EQ(test, -ENOMEM, (int)map_allocate(&m, SZ_8M));
	m.private = true;
	KUNIT_EXPECT_EQ(test, -EINVAL, (int)map_allocate(&m, PAGE_SIZE));
	m.private = false;
	pci_p2pdma_provider_down(pdev);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, (int)map_allocate(&m, PAGE_SIZE));
	pci_p2pdma_provider_up(pdev);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(map_allocate(&m, SZ_4M)));
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_remove_resource(pdev, 0, 0));
	KUNIT_EXPECT_EQ(test, -ENOMEM, (int)map_allocate(&m, PAGE_SIZE));
}

/* The pages are cleared, and have not been counted yet. */
static int insert_after_outage(struct p2pdma_backing *backing, u64 offset,
			       struct vm_area_struct *vma, unsigned long *done,
			       unsigned long end, unsigned long since)
{
	struct p2pdma_resource *res = backing->pgmap.owner;

	kunit_deactivate_static_stub(kunit_get_current_test(),
				     p2pdma_pages_insert);
	pci_p2pdma_provider_down(res->pdev);
	pci_p2pdma_provider_up(res->pdev);
	return p2pdma_pages_insert(backing, offset, vma, done, end, since);
}

/* Whatever moment of an mmap() an outage has: zeros that it lost are not mapped. */
static void register_mmap_outage(struct kunit *test)
{
	struct mapping m = { .own = *(const bool *)test->param_value };

	mapping_init(test, &m);
	kunit_activate_static_stub(test, p2pdma_pages_insert,
				   insert_after_outage);
	KUNIT_EXPECT_EQ(test, -EREMOTEIO, (int)map_allocate(&m, 5 * PAGE_SIZE));
	provider_expect(test, m.pdev, 1, SZ_4M, SZ_4M);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(map_allocate(&m, SZ_4M)));
}

/* ---- out of memory ---- */

#ifdef CONFIG_FAILSLAB
/*
 * Every allocation of a registration fails in turn.  By default no allocation
 * that may sleep does: see ignore-gfp-wait in
 * Documentation/fault-injection/fault-injection.rst.  The debugfs file "run" of
 * the suite runs it again after that has been set.
 */
static int add_failing(struct pci_dev *pdev, unsigned int nth, bool *injected)
{
	int error;

	current->fail_nth = nth;
	error = pci_p2pdma_add_resource(pdev, 0, SZ_2M, 0);
	*injected = !current->fail_nth;
	current->fail_nth = 0;
	return error;
}

/*
 * KUnit runs no case again that was skipped, which one is if it skips with all
 * of its parameters.  So one of them lets nothing fail, and passes.
 */
static const struct failing {
	const char *name;
	bool nothing;
	bool already;
} failings[] = {
	{ "nothing", .nothing = true },
	{ "first_range" },
	{ "another_range", .already = true },
};

KUNIT_ARRAY_PARAM_DESC(failing, failings, name);

static void register_fails(struct kunit *test)
{
	const struct failing *failing = test->param_value;
	struct pci_dev *pdev = make_provider(test)->pdev;
	struct provider_state before, after;
	unsigned int nth, failed = 0;
	bool injected = true;

	if (failing->nothing) {
		KUNIT_EXPECT_EQ(test, 0, add_failing(pdev, INT_MAX, &injected));
		KUNIT_EXPECT_FALSE(test, injected);
		provider_expect(test, pdev, 1, SZ_2M, SZ_2M);
		return;
	}
	for (nth = 1; injected; nth++) {
		if (failing->already && !provider_view(pdev).registered)
			KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(pdev, 0,
									 SZ_4M, SZ_4M));
		before = provider_view(pdev);
		if (!add_failing(pdev, nth, &injected)) {
			/* Nothing failed, or what did was not needed. */
			unbind(pdev);
			KUNIT_ASSERT_EQ(test, 1, device_attach(&pdev->dev));
			continue;
		}
		KUNIT_ASSERT_TRUE_MSG(test, injected, "failed by itself");
		failed++;
		after = provider_view(pdev);
		KUNIT_ASSERT_MEMEQ(test, &before, &after, sizeof(before));
	}
	if (!failed)
		kunit_skip(test, "nothing failed: write N to failslab/ignore-gfp-wait");
	kunit_info(test, "%u of %u allocations made it fail\n", failed, nth - 2);
	KUNIT_EXPECT_GT(test, failed, 5);
}
#endif /* CONFIG_FAILSLAB */

static struct kunit_case register_cases[] = {
	KUNIT_CASE(register_bad),
	KUNIT_CASE(register_bad_first),
	KUNIT_CASE(register_given),
	KUNIT_CASE(register_rom),
	KUNIT_CASE(register_no_address),
	KUNIT_CASE(register_asleep),
	KUNIT_CASE(register_name_taken),
	KUNIT_CASE(register_parts),
	KUNIT_CASE(register_unbind),
	KUNIT_CASE(register_unbind_waits),
	KUNIT_CASE_PARAM(register_unplug, way_out_gen_params),
	KUNIT_CASE_PARAM(register_memory_type, cpu_type_gen_params),
	KUNIT_CASE_PARAM(register_unbind_pinned, pin_gen_params),
	KUNIT_CASE_PARAM(register_unbind_mapped, overtakes_gen_params),
	KUNIT_CASE(register_give_up_mapped),
	KUNIT_CASE_PARAM(register_mmap_fails, own_file_gen_params),
	KUNIT_CASE(register_mmap_refused),
	KUNIT_CASE_PARAM(register_mmap_outage, own_file_gen_params),
#ifdef CONFIG_FAILSLAB
	KUNIT_CASE_PARAM(register_fails, failing_gen_params),
#endif
	{}
};

static struct kunit_suite register_suite = {
	.name = "p2pdma_register",
	.test_cases = register_cases,
};

kunit_test_suite(register_suite);

MODULE_DESCRIPTION("KUnit suite of P2PDMA registration");
MODULE_LICENSE("GPL");
