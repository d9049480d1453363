// SPDX-License-Identifier: GPL-2.0-only
/*
 * Range lists: physical ranges, from whatever they are stored in, and a storage
 * of their own.
 *
 * In this file "end" is the address behind the last byte, "last" that of the last
 * byte.  What a device sees of a list is in rlist-dma.c and kernel/dma/rlist.c.
 */
#include <linux/bvec.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pci-p2pdma.h>
#include <linux/rlist.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "rlist-store.h"

/**
 * DOC: range lists
 *
 * A range is a stretch of physical memory that comes from one source: RAM, or
 * one resource of a provider of peer memory.  Ranges are stored in what there is
 * already (an array of pages, bio_vecs, a scatterlist, an array of physical
 * ranges), or in a struct rlist.  A struct rlist_cpu names the storage, and hides
 * what it is: whoever walks through it, maps it or copies it knows nothing of it.
 *
 * A struct rlist takes a word of 64 bits for a range of whole pages, and two for
 * any other.  While it is filled it notes what mapping will ask for: which
 * sources there are, and, for each, the highest address and how many pages are
 * touched.  So a device that sees memory where the CPU does is shown a list without a
 * look at its ranges, and behind an IOMMU whole pages take one pass.
 */

/* ---- the store ---- */

/* A chunk has the size of what kmalloc() gives. */
#define CHUNK_MIN	SZ_64
#define CHUNK_MAX	min_t(size_t, PAGE_SIZE, SZ_4K)

/* As much as is expected still, else half of what there is: little is left over */
static struct rlist_chunk *chunk_add(struct rlist_store *store, gfp_t gfp)
{
	size_t bytes = store->bytes / 2;
	struct rlist_chunk *chunk;

	if (store->hint)
		bytes = struct_size(chunk, word, store->hint);
	bytes = clamp_t(size_t, bytes, CHUNK_MIN, CHUNK_MAX);
	bytes = rounddown_pow_of_two(bytes);
	chunk = kmalloc(bytes, gfp);
	if (!chunk)
		return NULL;
	chunk->next = NULL;
	chunk->used = 0;
	chunk->size = (bytes - sizeof(*chunk)) / sizeof(u64);
	store->hint -= min(store->hint, chunk->size);
	store->bytes += bytes;
	if (store->last)
		store->last->next = chunk;
	else
		store->first = chunk;
	store->last = chunk;
	return chunk;
}

static bool is_narrow(u64 start, u64 len)
{
	return !offset_in_page(start | len) &&
	       start >> PAGE_SHIFT <= RLIST_PFN_MASK &&
	       len >> PAGE_SHIFT <= RLIST_PAGES_MAX;
}

/* Room is made before anything changes. */
static int entry_add(struct rlist_store *store, u64 start, u64 len,
		     unsigned int source, gfp_t gfp)
{
	bool narrow = is_narrow(start, len);
	struct rlist_chunk *chunk = store->last;

	if (!chunk || chunk->used + !narrow >= chunk->size) {
		chunk = chunk_add(store, gfp);
		if (!chunk)
			return -ENOMEM;
	}
	store->tail = &chunk->word[chunk->used];
	store->end = start + len;
	if (narrow) {
		chunk->word[chunk->used++] = rlist_word(start >> PAGE_SHIFT,
							len >> PAGE_SHIFT, source);
	} else {
		chunk->word[chunk->used++] = RLIST_WIDE | len |
			(u64)source << RLIST_SOURCE_SHIFT;
		chunk->word[chunk->used++] = start;
	}
	return 0;
}

/* An entry of one word that gets longer than it can say becomes one of two. */
static int entry_widen(struct rlist_store *store, u64 len, unsigned int source,
		       gfp_t gfp)
{
	u64 word = *store->tail, start;
	struct rlist_chunk *chunk = store->last;
	int error;

	start = (word & RLIST_PFN_MASK) << PAGE_SHIFT;
	len += rlist_word_pages(word) << PAGE_SHIFT;
	/* It is the last one, so what comes next takes its place. */
	chunk->used--;
	error = entry_add(store, start, len, source, gfp);
	if (error)
		chunk->used++;
	return error;
}

/* @len bytes more, behind the last entry */
static int entry_extend(struct rlist_store *store, u64 len, unsigned int source,
			gfp_t gfp)
{
	u64 word = *store->tail;

	if (!(word & RLIST_WIDE)) {
		if (offset_in_page(len) ||
		    rlist_word_pages(word) + (len >> PAGE_SHIFT) > RLIST_PAGES_MAX)
			return entry_widen(store, len, source, gfp);
		*store->tail += len >> PAGE_SHIFT << RLIST_PAGES_SHIFT;
	} else {
		*store->tail += len;
	}
	store->end += len;
	return 0;
}

/**
 * rlist_store_add - add an entry
 * @store: to this
 * @start: first address
 * @len: bytes, from 1 to RLIST_LEN_MASK
 * @source: number of the source
 * @merge: make it one with the last entry if it adjoins
 * @gfp: for more memory
 *
 * Return: 0, or -ENOMEM, and nothing has changed.
 */
int rlist_store_add(struct rlist_store *store, u64 start, u64 len,
		    unsigned int source, bool merge, gfp_t gfp)
{
	if (merge && store->tail && store->end == start &&
	    rlist_word_source(*store->tail) == source)
		return entry_extend(store, len, source, gfp);
	return entry_add(store, start, len, source, gfp);
}

/* Free what a store has, which is empty then */
void rlist_store_free(struct rlist_store *store)
{
	struct rlist_chunk *chunk = store->first, *next;

	for (; chunk; chunk = next) {
		next = chunk->next;
		kfree(chunk);
	}
	rlist_store_init(store);
}

/* ---- the list ---- */

/**
 * rlist_init - begin an empty list
 * @list: may be uninitialized
 *
 * Context: any.
 */
void rlist_init(struct rlist *list)
{
	rlist_store_init(&list->store);
	rlist_summary_init(&list->sum);
}
EXPORT_SYMBOL_GPL(rlist_init);

/**
 * rlist_reserve - say how many ranges are going to be added
 * @list: the list
 * @ranges: about so many
 *
 * Nothing is allocated before there is something to store; but then it is as much
 * as is needed, and not half of it or twice.
 *
 * Context: as for filling the list.
 */
void rlist_reserve(struct rlist *list, unsigned int ranges)
{
	list->store.hint = ranges;
}
EXPORT_SYMBOL_GPL(rlist_reserve);

/**
 * rlist_free - free all that a list has allocated
 * @list: the list, which is empty then; not mapped any more
 *
 * The memory that it is about stays as it is, pinned if it was.
 *
 * Context: any but NMI.
 */
void rlist_free(struct rlist *list)
{
	rlist_store_free(&list->store);
	rlist_summary_init(&list->sum);
}
EXPORT_SYMBOL_GPL(rlist_free);

/**
 * rlist_memory - how much memory a list takes
 * @list: the list
 *
 * Context: as for walking through the list.
 * Return: bytes that are allocated for it, besides struct rlist.
 */
size_t rlist_memory(const struct rlist *list)
{
	return list->store.bytes;
}
EXPORT_SYMBOL_GPL(rlist_memory);

static int add_range_to(struct rlist *list, const struct rlist_range *range,
			gfp_t gfp)
{
	unsigned int sources = list->sum.sources;
	int source, error;

	source = rlist_summary_source(&list->sum, range->peer);
	if (unlikely(source < 0))
		return source;
	error = rlist_store_add(&list->store, range->start, range->len, source,
				true, gfp);
	if (unlikely(error)) {
		list->sum.sources = sources;
		return error;
	}
	rlist_summary_add(&list->sum, source, range->start, range->len);
	return 0;
}

/**
 * rlist_add - add all ranges of another storage
 * @list: the list
 * @cpu: the ranges; not those of @list
 * @gfp: for memory to store them in
 *
 * Context: what @gfp allows; the caller keeps others from @list.
 * Return: 0; -ENOMEM; -E2BIG if there would be peer memory of more than
 * RLIST_PEERS resources in it.  What has been added until then stays.
 */
int rlist_add(struct rlist *list, const struct rlist_cpu *cpu, gfp_t gfp)
{
	struct rlist_range range;
	struct rlist_iter it;
	int error;

	rlist_for_each(&it, cpu, &range) {
		error = add_range_to(list, &range, gfp);
		if (error)
			return error;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(rlist_add);

/* Is a page of the same source as those of @pgmap?  NULL stands for RAM. */
static __always_inline bool page_is_of(const struct page *page,
				       const struct dev_pagemap *pgmap)
{
	if (!IS_ENABLED(CONFIG_PCI_P2PDMA) || !is_zone_device_page(page))
		return !pgmap;
	if (pgmap)
		return page->pgmap == pgmap;
	return !is_pci_p2pdma_page(page);
}

/*
 * As many whole pages of one source as follow each other and fit into the last
 * chunk, at the price of a few instructions each.  What adjoins the last entry, or
 * would need a wide one, is left to add_range_to().
 */
static unsigned long add_some_pages(struct rlist *list,
				    struct page *const *pages, unsigned long n,
				    const struct dev_pagemap *pgmap,
				    unsigned int source)
{
	struct rlist_store *store = &list->store;
	struct rlist_source *from = &list->sum.source[source];
	struct rlist_chunk *chunk = store->last;
	u64 pfn, behind = 0, highest = from->last >> PAGE_SHIFT;
	u64 *pos, *end, *before, word = rlist_word(0, 1, source);
	unsigned long i;

	if (!chunk || page_to_phys(*pages) == store->end)
		return 0;
	before = chunk->word + chunk->used;
	pos = before;
	end = chunk->word + chunk->size;
	for (i = 0; i < n && page_is_of(pages[i], pgmap); i++) {
		pfn = page_to_pfn(pages[i]);
		if (pfn == behind &&
		    rlist_word_pages(pos[-1]) < RLIST_PAGES_MAX) {
			pos[-1] += 1ULL << RLIST_PAGES_SHIFT;
		} else {
			if (pos == end || pfn == behind || pfn > RLIST_PFN_MASK)
				break;
			*pos++ = word | pfn;
		}
		behind = pfn + 1;
		highest = max(highest, pfn);
	}
	if (!i)
		return 0;
	chunk->used += pos - before;
	store->tail = pos - 1;
	store->end = behind << PAGE_SHIFT;
	from->last = max_t(phys_addr_t, from->last,
			   (highest << PAGE_SHIFT) + PAGE_SIZE - 1);
	from->spanned += (u64)i << PAGE_SHIFT;
	list->sum.bytes += (u64)i << PAGE_SHIFT;
	return i;
}

static int add_whole_pages(struct rlist *list, struct page *const *pages,
			   unsigned long n, gfp_t gfp)
{
	struct rlist_range range = { .len = PAGE_SIZE };
	const struct dev_pagemap *pgmap;
	unsigned int source;
	unsigned long done;
	int error;

	for (; n; n -= done, pages += done) {
		range.peer = pci_p2pdma_page_resource(*pages);
		pgmap = range.peer ? (*pages)->pgmap : NULL;
		source = rlist_summary_find(&list->sum, range.peer);
		done = 0;
		if (source < list->sum.sources)
			done = add_some_pages(list, pages, n, pgmap, source);
		if (done)
			continue;
		/* The first of a source, or of a chunk, or it adjoins */
		done = 1;
		range.start = page_to_phys(*pages);
		error = add_range_to(list, &range, gfp);
		if (error)
			return error;
	}
	return 0;
}

/**
 * rlist_add_pages - add pages, as get_user_pages() has them
 * @list: the list
 * @pages: array; RAM and peer pages in any order, pages that adjoin make one range
 * @offset: where in the first page to begin, in bytes, less than a page
 * @len: bytes; as many pages as that takes are looked at
 * @gfp: for memory to store them in
 *
 * The caller keeps references on the pages, or whatever else keeps them, as long
 * as the list is used; the array itself is not looked at later.
 *
 * Context: what @gfp allows; the caller keeps others from @list.
 * Return: 0; -EINVAL if @offset is more than a page has; else see rlist_add().
 */
int rlist_add_pages(struct rlist *list, struct page *const *pages,
		    unsigned int offset, u64 len, gfp_t gfp)
{
	struct rlist_cpu cpu;

	if (likely(!offset && !offset_in_page(len)))
		return add_whole_pages(list, pages, len >> PAGE_SHIFT, gfp);
	if (offset >= PAGE_SIZE)
		return -EINVAL;
	rlist_cpu_pages(&cpu, pages, offset, len);
	return rlist_add(list, &cpu, gfp);
}
EXPORT_SYMBOL_GPL(rlist_add_pages);

/**
 * rlist_add_phys - add a range of physical addresses
 * @list: the list
 * @start: CPU physical address of the first byte
 * @len: bytes
 * @provider: device that the memory belongs to; NULL for RAM
 * @gfp: for memory to store it in
 *
 * The caller sees to it that the memory stays as long as the list is used: of a
 * provider, by having it allocated.
 *
 * Context: what @gfp allows; the caller keeps others from @list.
 * Return: 0; -EINVAL if @len is 0 or wraps around, if @provider has not registered
 * all of it in one resource, or if it is not RAM although there is no @provider;
 * else see rlist_add().
 */
int rlist_add_phys(struct rlist *list, phys_addr_t start, u64 len,
		   struct pci_dev *provider, gfp_t gfp)
{
	struct rlist_phys phys = { .start = start, .len = len };
	struct rlist_cpu cpu;
	int error;

	error = rlist_cpu_phys(&cpu, &phys, 1, provider);
	return error ?: rlist_add(list, &cpu, gfp);
}
EXPORT_SYMBOL_GPL(rlist_add_phys);

/* ---- other storages ---- */

/**
 * rlist_cpu_list - the ranges of a list
 * @cpu: to be set
 * @list: the list
 *
 * Context: any.
 */
void rlist_cpu_list(struct rlist_cpu *cpu, const struct rlist *list)
{
	cpu->kind = RLIST_LIST;
	cpu->list = list;
}
EXPORT_SYMBOL_GPL(rlist_cpu_list);

/**
 * rlist_cpu_pages - the ranges that pages are
 * @cpu: to be set
 * @pages: array; RAM and peer pages in any order
 * @offset: where in the first page to begin, in bytes, less than a page
 * @len: bytes
 *
 * Context: any.
 */
void rlist_cpu_pages(struct rlist_cpu *cpu, struct page *const *pages,
		     unsigned int offset, u64 len)
{
	cpu->kind = RLIST_PAGES;
	cpu->pages = pages;
	cpu->offset = offset;
	cpu->len = len;
}
EXPORT_SYMBOL_GPL(rlist_cpu_pages);

/**
 * rlist_cpu_bvec - the ranges of bio_vecs
 * @cpu: to be set
 * @bvec: array
 * @iter: what of it, as bio.bi_iter says it
 *
 * Context: any.
 */
void rlist_cpu_bvec(struct rlist_cpu *cpu, const struct bio_vec *bvec,
		    struct bvec_iter iter)
{
	cpu->kind = RLIST_BVEC;
	cpu->bvec = bvec;
	cpu->bvec_iter = iter;
}
EXPORT_SYMBOL_GPL(rlist_cpu_bvec);

/**
 * rlist_cpu_sg - the ranges of a scatterlist
 * @cpu: to be set
 * @sgl: first entry; what it says of DMA is not looked at
 * @nents: number of entries, as before mapping (sg_table.orig_nents)
 *
 * Context: any.
 */
void rlist_cpu_sg(struct rlist_cpu *cpu, struct scatterlist *sgl,
		  unsigned int nents)
{
	cpu->kind = RLIST_SG;
	cpu->sgl = sgl;
	cpu->count = nents;
}
EXPORT_SYMBOL_GPL(rlist_cpu_sg);

/* Not memory that the CPU has no page for, nor peer memory in disguise */
static bool is_ram(const struct rlist_phys *phys)
{
	phys_addr_t addr = phys->start, last = phys->start + phys->len - 1;

	for (;;) {
		if (!pfn_valid(PHYS_PFN(addr)) ||
		    is_pci_p2pdma_page(pfn_to_page(PHYS_PFN(addr))))
			return false;
		/* By the page, as sections have holes */
		if (last - addr < PAGE_SIZE)
			return pfn_valid(PHYS_PFN(last)) &&
			       !is_pci_p2pdma_page(pfn_to_page(PHYS_PFN(last)));
		addr += PAGE_SIZE;
	}
}

/**
 * rlist_cpu_phys - the ranges of an array of physical addresses
 * @cpu: to be set
 * @phys: array
 * @count: number of entries
 * @provider: device that the memory belongs to; NULL for RAM
 *
 * Context: any.
 * Return: 0; -EINVAL if a range is of no length or wraps around; if not all of them
 * are in one resource that @provider has registered, or not all RAM although there
 * is no @provider.
 */
int rlist_cpu_phys(struct rlist_cpu *cpu, const struct rlist_phys *phys,
		   unsigned int count, struct pci_dev *provider)
{
	struct p2pdma_resource *res, *peer = NULL;
	phys_addr_t last;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (!phys[i].len || phys[i].len > RLIST_LEN_MASK ||
		    check_add_overflow(phys[i].start, phys[i].len - 1, &last))
			return -EINVAL;
		if (!provider) {
			if (!is_ram(&phys[i]))
				return -EINVAL;
			continue;
		}
		res = pci_p2pdma_find_resource(provider, phys[i].start,
					       phys[i].len);
		if (!res || (peer && res != peer))
			return -EINVAL;
		peer = res;
	}
	cpu->kind = RLIST_PHYS;
	cpu->phys = phys;
	cpu->count = count;
	cpu->peer = peer;
	return 0;
}
EXPORT_SYMBOL_GPL(rlist_cpu_phys);

/* ---- a walk ---- */

/**
 * rlist_begin - begin a walk through ranges
 * @it: the walk; may be uninitialized
 * @cpu: the ranges
 *
 * Context: any.
 */
void rlist_begin(struct rlist_iter *it, const struct rlist_cpu *cpu)
{
	it->cpu = cpu;
	switch (cpu->kind) {
	case RLIST_LIST:
		rlist_cursor_enter(&it->cursor, cpu->list->store.first);
		break;
	case RLIST_BVEC:
		it->bvec_iter = cpu->bvec_iter;
		break;
	case RLIST_PAGES:
		it->index = 0;
		it->offset = cpu->offset;
		it->left = cpu->len;
		break;
	case RLIST_SG:
		it->sg = cpu->sgl;
		it->index = 0;
		break;
	case RLIST_PHYS:
		it->index = 0;
		break;
	}
}
EXPORT_SYMBOL_GPL(rlist_begin);

static bool next_entry(struct rlist_iter *it, struct rlist_range *range)
{
	unsigned int source;
	u64 start;

	if (!rlist_cursor_next(&it->cursor, &start, &range->len, &source))
		return false;
	range->start = start;
	range->peer = it->cpu->list->sum.source[source].peer;
	return true;
}

/* Pages that adjoin, of one source, are one range */
static bool next_pages(struct rlist_iter *it, struct rlist_range *range)
{
	struct page *const *pages = it->cpu->pages;
	struct page *page;
	u64 len;

	if (!it->left)
		return false;
	page = pages[it->index++];
	len = min_t(u64, it->left, PAGE_SIZE - it->offset);
	range->start = page_to_phys(page) + it->offset;
	range->len = len;
	range->peer = pci_p2pdma_page_resource(page);
	it->offset = 0;
	for (it->left -= len; it->left; it->left -= len) {
		page = pages[it->index];
		if (page_to_phys(page) != range->start + range->len ||
		    pci_p2pdma_page_resource(page) != range->peer)
			break;
		len = min_t(u64, it->left, PAGE_SIZE);
		range->len += len;
		it->index++;
	}
	return true;
}

static bool next_bvec(struct rlist_iter *it, struct rlist_range *range)
{
	struct bio_vec bv;

	if (!it->bvec_iter.bi_size)
		return false;
	bv = mp_bvec_iter_bvec(it->cpu->bvec, it->bvec_iter);
	bvec_iter_advance_single(it->cpu->bvec, &it->bvec_iter, bv.bv_len);
	range->start = page_to_phys(bv.bv_page) + bv.bv_offset;
	range->len = bv.bv_len;
	range->peer = pci_p2pdma_page_resource(bv.bv_page);
	return true;
}

static bool next_sg(struct rlist_iter *it, struct rlist_range *range)
{
	struct scatterlist *sg;

	do {
		if (it->index++ == it->cpu->count)
			return false;
		sg = it->sg;
		it->sg = sg_next(sg);
	} while (unlikely(!sg->length));
	range->start = sg_phys(sg);
	range->len = sg->length;
	range->peer = pci_p2pdma_page_resource(sg_page(sg));
	return true;
}

static bool next_phys(struct rlist_iter *it, struct rlist_range *range)
{
	const struct rlist_phys *phys = &it->cpu->phys[it->index];

	if (it->index++ == it->cpu->count)
		return false;
	range->start = phys->start;
	range->len = phys->len;
	range->peer = it->cpu->peer;
	return true;
}

/**
 * rlist_next - the next range of a walk
 * @it: the walk
 * @range: set, if there is one
 *
 * Context: any.
 * Return: false at the end; there is nothing more to ask for then.
 */
bool rlist_next(struct rlist_iter *it, struct rlist_range *range)
{
	switch (it->cpu->kind) {
	case RLIST_LIST:
		return next_entry(it, range);
	case RLIST_PAGES:
		return next_pages(it, range);
	case RLIST_BVEC:
		return next_bvec(it, range);
	case RLIST_SG:
		return next_sg(it, range);
	case RLIST_PHYS:
		return next_phys(it, range);
	}
	return false;
}
EXPORT_SYMBOL_GPL(rlist_next);

/* See rlist_summary_of() */
int rlist_summarize(const struct rlist_cpu *cpu, struct rlist_summary *sum)
{
	struct rlist_range range;
	struct rlist_iter it;
	int source;

	rlist_summary_init(sum);
	rlist_for_each(&it, cpu, &range) {
		source = rlist_summary_source(sum, range.peer);
		if (source < 0)
			return source;
		rlist_summary_add(sum, source, range.start, range.len);
	}
	return 0;
}

static bool ranges_intact(const struct rlist_cpu *cpu, unsigned long since)
{
	struct rlist_range range;
	struct rlist_iter it;

	rlist_for_each(&it, cpu, &range)
		if (range.peer &&
		    !__pci_p2pdma_range_intact(range.peer, range.start,
					       range.len, since))
			return false;
	return true;
}

/**
 * rlist_intact - could all of the memory be reached all the time?
 * @cpu: the ranges, mapped for DMA or not
 * @since: what pci_p2pdma_outages() returned before memory was allocated, data
 *	were put into it, or it was mapped
 *
 * To be asked after a transfer, before it is taken for complete, and while the
 * caller still has the memory.
 *
 * Context: any.
 * Return: false if some of it belongs to a provider that had an outage since then,
 * or has one.
 */
bool rlist_intact(const struct rlist_cpu *cpu, unsigned long since)
{
	return __pci_p2pdma_no_outage(since) || ranges_intact(cpu, since);
}
EXPORT_SYMBOL_GPL(rlist_intact);
