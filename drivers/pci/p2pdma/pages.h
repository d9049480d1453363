/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Struct pages, and the user mappings of them.
 */
#ifndef _PCI_P2PDMA_PAGES_H
#define _PCI_P2PDMA_PAGES_H

#include <linux/container_of.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "resource.h"

struct address_space;
struct vm_area_struct;

/**
 * struct p2pdma_backing - struct pages for a resource
 * @pgmap: the pages; @pgmap.owner is the resource
 * @kaddr: kernel mapping of the resource, write-combined or uncached
 * @writecombine: its BAR is prefetchable; set before the pages are added
 * @page_free: called when the last reference to a user page is dropped, with
 *	the page's offset in the resource, and whether no other page of it is in
 *	user space; any context
 */
struct p2pdma_backing {
	struct dev_pagemap pgmap;
	void *kaddr;
	bool writecombine;
	void (*page_free)(struct p2pdma_backing *backing, u64 offset, bool last);
};

int p2pdma_pages_check(struct pci_dev *pdev, phys_addr_t start, u64 size);
int p2pdma_pages_add(struct p2pdma_backing *backing,
		     struct p2pdma_resource *res);
void p2pdma_pages_remove(struct p2pdma_backing *backing);
int p2pdma_pages_insert(struct p2pdma_backing *backing, u64 offset,
			struct vm_area_struct *vma, unsigned long *done,
			unsigned long end, unsigned long since);
struct address_space *p2pdma_pages_mapping(void);
void p2pdma_pages_set_file(struct vm_area_struct *vma);
void p2pdma_pages_revoke(struct p2pdma_resource *res);

/**
 * p2pdma_page_resource - the resource that a page belongs to
 * @page: page with is_pci_p2pdma_page()
 *
 * Context: any; the caller holds a reference on the page.
 * Return: the resource.
 */
static inline struct p2pdma_resource *
p2pdma_page_resource(const struct page *page)
{
	return page->pgmap->owner;
}

/**
 * p2pdma_virt_backing - the pages that a kernel address lies in
 * @addr: address in memory allocated from them
 *
 * Context: any; the allocation keeps them.
 * Return: the pages.
 */
static inline struct p2pdma_backing *p2pdma_virt_backing(const void *addr)
{
	return container_of(virt_to_page(addr)->pgmap, struct p2pdma_backing,
			    pgmap);
}

#endif /* _PCI_P2PDMA_PAGES_H */
