// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: struct pages of peer memory
 *
 * Struct pages for peer memory: the only file that knows dev_pagemap.
 *
 * The life of a page.  memremap_pages() leaves every page with a reference
 * count of 1, which means free or allocated by the kernel: pool.c knows which,
 * nobody here does.  A page that goes to user space gives that one reference
 * to the mapping; with the last reference (of a mapping, or of a pin that
 * outlived it) free_zone_device_folio() sets the count back to 1 and calls
 * page_free(), which hands the page to the pool.
 *
 * Nothing here counts who uses the pages: what is out is what is not in the
 * pool, and whoever removes the pages has waited until all of it is back.  But
 * those in user space are counted, and carry the number of outages from before
 * they were cleared: so one that outlives an outage in a pin can be told from
 * one that was given out afterwards.
 *
 * All user mappings belong to one address space of our own, at the offset that
 * is their physical address.  So they can be found and torn down without the
 * file.  An mmap() that is about to end when the device goes links its mapping
 * only afterwards, when nobody looks for it any more; therefore removal looks
 * again until all of the memory has come back.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/pfn_t.h>
#include <kunit/static_stub.h>

#include "pages.h"

static struct p2pdma_backing *to_backing(struct dev_pagemap *pgmap)
{
	return container_of(pgmap, struct p2pdma_backing, pgmap);
}

/*
 * Called with the count back at 1.  The page may be somebody else's, or gone,
 * when this returns.
 */
static void page_free(struct page *page)
{
	struct p2pdma_backing *backing = to_backing(page->pgmap);
	struct p2pdma_resource *res = p2pdma_page_resource(page);

	page->zone_device_data = NULL;
	backing->page_free(backing,
			   page_to_phys(page) - backing->pgmap.range.start,
			   atomic_long_dec_and_test(&res->user_pages));
}

static const struct dev_pagemap_ops p2pdma_pgmap_ops = {
	.page_free = page_free,
};

/*
 * Of the same type as the kernel's own mapping, which on x86 may have become
 * another than what was asked for.  Not every architecture has something like
 * MTRRs that would overrule a cacheable page table entry.
 */
static pgprot_t user_prot(struct p2pdma_backing *backing,
			  struct vm_area_struct *vma, unsigned long pfn)
{
	pgprot_t prot = backing->pgmap.flags & PGMAP_WRITE_COMBINE ?
				pgprot_writecombine(vma->vm_page_prot) :
				pgprot_noncached(vma->vm_page_prot);

	track_pfn_insert(vma, &prot, pfn_to_pfn_t(pfn));
	return prot;
}

/**
 * p2pdma_pages_check - can this range have struct pages?
 * @pdev: provider, for messages
 * @start: first physical address
 * @size: length in bytes, not 0
 *
 * Context: may sleep.
 * Return: 0, or
 *	-EINVAL if start or size are not aligned to memremap_compat_align(),
 *	-ERANGE if the range is beyond what the kernel can map,
 *	-EBUSY if a part of it has pages already.
 * Each of them with a line in the log that says so.
 */
int p2pdma_pages_check(struct pci_dev *pdev, phys_addr_t start, u64 size)
{
	unsigned long align = memremap_compat_align();
	struct range reach = mhp_get_pluggable_range(true);
	phys_addr_t last = start + size - 1;
	struct dev_pagemap *other;
	phys_addr_t addr;

	if (!IS_ALIGNED(start, align) || !IS_ALIGNED(size, align)) {
		pci_err(pdev, "cannot register %pa: struct pages need multiples of %#lx; start is %#llx and size %#llx bytes off\n",
			&start, align, (u64)start % align, size % align);
		return -EINVAL;
	}
	if (last < start || start < reach.start || last > reach.end) {
		pci_err(pdev, "cannot register [mem %pa-%pa]: this kernel can map %#llx-%#llx\n",
			&start, &last, reach.start, reach.end);
		return -ERANGE;
	}
	/* Nothing that can be mapped is near the end of the address space. */
	for (addr = start; addr <= last; addr += align) {
		other = get_dev_pagemap(PHYS_PFN(addr), NULL);
		if (!other)
			continue;
		put_dev_pagemap(other);
		pci_err(pdev, "cannot register [mem %pa-%pa]: %pa has struct pages already\n",
			&start, &last, &addr);
		return -EBUSY;
	}
	return 0;
}

/**
 * p2pdma_pages_add - give a resource struct pages
 * @backing: zeroed but for its callback
 * @res: resource, checked with p2pdma_pages_check()
 *
 * Context: may sleep.
 * Return: 0 or what memremap_pages() failed with.
 */
int p2pdma_pages_add(struct p2pdma_backing *backing,
		     struct p2pdma_resource *res)
{
	struct dev_pagemap *pgmap = &backing->pgmap;

	pgmap->type = MEMORY_DEVICE_PCI_P2PDMA;
	pgmap->ops = &p2pdma_pgmap_ops;
	if (backing->writecombine)
		pgmap->flags |= PGMAP_WRITE_COMBINE;
	pgmap->owner = res;
	pgmap->nr_range = 1;
	pgmap->range.start = res->start;
	pgmap->range.end = res->start + res->size - 1;

	backing->kaddr = memremap_pages(pgmap, dev_to_node(&res->pdev->dev));
	return PTR_ERR_OR_ZERO(backing->kaddr);
}

/**
 * p2pdma_pages_remove - take the struct pages away
 * @backing: pages, none of which anybody uses
 *
 * Context: may sleep.
 */
void p2pdma_pages_remove(struct p2pdma_backing *backing)
{
	memunmap_pages(&backing->pgmap);
}

/**
 * p2pdma_pages_insert - map an allocation into user space, and give it away
 * @backing: pages
 * @offset: where the allocation begins in the resource
 * @vma: mapping, as long as the allocation
 * @done: number of bytes mapped so far, 0 at first; brought up to date
 * @end: number to get to now, as the caller may do it in parts
 * @since: pci_p2pdma_outages() before the pages were cleared
 *
 * The pages mapped belong to the mapping from now on: they come back through
 * page_free(), also if the mapping fails later.  The rest still belongs to the
 * caller.  The offset of the mapping becomes the physical address, by which it
 * can be found again.  KUnit looks in here.
 *
 * Context: process context, mmap lock held for writing.
 * Return: 0, or what vm_insert_page() failed with.
 */
int p2pdma_pages_insert(struct p2pdma_backing *backing, u64 offset,
			struct vm_area_struct *vma, unsigned long *done,
			unsigned long end, unsigned long since)
{
	struct p2pdma_resource *res = backing->pgmap.owner;
	unsigned long first = PHYS_PFN(backing->pgmap.range.start + offset);
	int error;

	KUNIT_STATIC_STUB_REDIRECT(p2pdma_pages_insert, backing, offset, vma,
				   done, end, since);
	if (!*done) {
		vma->vm_page_prot = user_prot(backing, vma, first);
		vma->vm_pgoff = first;
	}
	for (; *done < end; *done += PAGE_SIZE) {
		struct page *page = pfn_to_page(first + PHYS_PFN(*done));

		/* Before, as it may be pinned as soon as it is there */
		page->zone_device_data = (void *)since;
		atomic_long_inc(&res->user_pages);
		error = vm_insert_page(vma, vma->vm_start + *done, page);
		if (error) {
			atomic_long_dec(&res->user_pages);
			page->zone_device_data = NULL;
			return error;
		}
		/* That took a reference of its own: ours is the mapping's. */
		put_page(page);
	}
	return 0;
}

/* ---- user mappings ---- */

/* Whose mapping all mappings are; never closed */
static struct file *p2pmem_file;

static int __init p2pmem_file_init(void)
{
	static const struct file_operations fops = {};

	p2pmem_file = anon_inode_create_getfile("[p2pmem]", &fops, NULL, O_RDWR,
						NULL);
	return PTR_ERR_OR_ZERO(p2pmem_file);
}
fs_initcall(p2pmem_file_init);	/* before drivers */

/**
 * p2pdma_pages_mapping - what user mappings of all resources belong to
 *
 * Context: any.
 * Return: the address space, or NULL if there was no memory for it at boot.
 */
struct address_space *p2pdma_pages_mapping(void)
{
	return IS_ERR_OR_NULL(p2pmem_file) ? NULL : p2pmem_file->f_mapping;
}

/**
 * p2pdma_pages_set_file - have a mapping of another file found here
 * @vma: mapping that is being made
 *
 * Without a file of ours there is no provider either, and nothing to map.
 *
 * Context: process context, mmap lock held for writing.
 */
void p2pdma_pages_set_file(struct vm_area_struct *vma)
{
	if (!IS_ERR_OR_NULL(p2pmem_file))
		vma_set_file(vma, p2pmem_file);
}

/**
 * p2pdma_pages_revoke - tear down the user mappings of a resource
 * @res: the resource
 *
 * Accesses raise SIGBUS from now on.  Pins taken through a mapping keep their
 * pages; and an mmap() that is just about to end may be missed, so call it
 * again while pages are out.
 *
 * Context: may sleep.
 */
void p2pdma_pages_revoke(struct p2pdma_resource *res)
{
	if (IS_ERR_OR_NULL(p2pmem_file))
		return;		/* and so nothing was ever mapped */
	unmap_mapping_range(p2pmem_file->f_mapping, res->start,
			    res->size, 1);
}
