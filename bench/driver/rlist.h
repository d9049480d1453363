/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Range lists beside scatterlists: pages of RAM or of a peer, no two of which
 * adjoin, put into a list, mapped, taken out as DMA addresses, unmapped.
 */
#ifndef P2PDMA_BENCH_RLIST_H
#define P2PDMA_BENCH_RLIST_H

#if __has_include(<linux/rlist.h>)

#include <linux/rlist.h>

#define LIST_MAX	1024

enum list_step { LIST_FILL, LIST_MAP, LIST_WALK, LIST_BLOCKS, LIST_UNMAP, LIST_STEPS };

/* What is listed, both lists, and where addresses go */
static struct lists {
	struct page *pages[LIST_MAX];
	unsigned int n;
	void *peer;
	struct sg_table sgt;
	struct rlist list;
	struct rlist_cpu cpu;
	struct rlist_dma dma;
	dma_addr_t addr[LIST_MAX];
	u64 took[LIST_STEPS];
} lists;

static int lists_begin(unsigned int n, bool ram)
{
	unsigned int i;

	memset(&lists, 0, sizeof(lists));
	lists.n = n;
	if (!ram) {
		lists.peer = pci_alloc_p2pmem(provider0(), 2 * n * PAGE_SIZE);
		if (!lists.peer)
			return -ENOSPC;
	}
	for (i = 0; i < n; i++) {
		lists.pages[i] = ram ? alloc_pages(GFP_KERNEL, 1) :
				       virt_to_page(lists.peer + 2 * i * PAGE_SIZE);
		if (!lists.pages[i])
			return -ENOMEM;
	}
	return sg_alloc_table(&lists.sgt, n, GFP_KERNEL);
}

static void lists_end(bool ram)
{
	unsigned int i;

	for (i = 0; i < lists.n; i++)
		if (ram && lists.pages[i])
			__free_pages(lists.pages[i], 1);
	if (lists.peer)
		pci_free_p2pmem(provider0(), lists.peer, 2 * lists.n * PAGE_SIZE);
	sg_free_table(&lists.sgt);
}

static noinline void sg_fill(void)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(&lists.sgt, sg, i)
		sg_set_page(sg, lists.pages[i], PAGE_SIZE, 0);
}

static noinline void sg_walk(void)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(&lists.sgt, sg, i)
		lists.addr[i] = sg_dma_address(sg);
}

static int sg_round(struct device *dev)
{
	int error;

	timed(lists.took[LIST_FILL], sg_fill());
	timed(lists.took[LIST_MAP], error = dma_map_sgtable(dev, &lists.sgt,
							    DMA_BIDIRECTIONAL, 0));
	if (error)
		return error;
	timed(lists.took[LIST_WALK], sg_walk());
	timed(lists.took[LIST_UNMAP], dma_unmap_sgtable(dev, &lists.sgt,
							DMA_BIDIRECTIONAL, 0));
	return 0;
}

static noinline int rlist_fill(void)
{
	rlist_init(&lists.list);
	rlist_reserve(&lists.list, lists.n);
	rlist_cpu_list(&lists.cpu, &lists.list);
	return rlist_add_pages(&lists.list, lists.pages, 0, lists.n * PAGE_SIZE,
			       GFP_ATOMIC);
}

static noinline unsigned int rlist_walk(void)
{
	struct rlist_dma_range range;
	struct rlist_dma_iter it;
	unsigned int i = 0;

	rlist_dma_for_each(&it, &lists.dma, &range)
		lists.addr[i++] = range.addr;
	return i;
}

static noinline long rlist_blocks(void)
{
	struct rlist_dma_iter it;

	rlist_dma_begin(&it, &lists.dma);
	return rlist_dma_blocks(&it, PAGE_SHIFT, lists.addr, LIST_MAX);
}

static int rlist_round(struct device *dev)
{
	int error, found = 0;

	timed(lists.took[LIST_FILL], error = rlist_fill());
	if (error)
		goto out;
	timed(lists.took[LIST_MAP], error = dma_map_rlist(dev, &lists.cpu, &lists.dma,
							  DMA_BIDIRECTIONAL, 0,
							  GFP_ATOMIC));
	if (error)
		goto out;
	timed(lists.took[LIST_WALK], rlist_walk());
	timed(lists.took[LIST_BLOCKS], found = rlist_blocks());
	timed(lists.took[LIST_UNMAP], dma_unmap_rlist(dev, &lists.dma));
	if (found != lists.n)
		error = -EIO;
out:
	rlist_free(&lists.list);
	return error;
}

/* op->count pages; op->size: step, and LIST_STEPS more for a scatterlist */
static int run_list(struct seq_file *s, const struct op *op)
{
	bool sg = op->size >= LIST_STEPS;
	struct device *dev = clients[0];
	int i, n = times(200), error;

	error = lists_begin(op->count, op->flag);
	/* Whatever is worked out in the background for a new client */
	for (i = 0; i < 4 && !error; i++) {
		error = sg ? sg_round(dev) : rlist_round(dev);
		msleep(50);
	}
	for (i = 0; i < n && !error; i++) {
		error = sg ? sg_round(dev) : rlist_round(dev);
		samples[i] = lists.took[op->size % LIST_STEPS];
	}
	lists_end(op->flag);
	if (!error)
		report(s, n, op->count);
	return error;
}

#define LIST_OPS(kind, n, ram)							\
	{ "sg-fill-" kind "-" #n,     run_list, LIST_STEPS + LIST_FILL, n, ram },	\
	{ "sg-map-" kind "-" #n,      run_list, LIST_STEPS + LIST_MAP, n, ram },	\
	{ "sg-walk-" kind "-" #n,     run_list, LIST_STEPS + LIST_WALK, n, ram },	\
	{ "sg-unmap-" kind "-" #n,    run_list, LIST_STEPS + LIST_UNMAP, n, ram },	\
	{ "rlist-fill-" kind "-" #n,  run_list, LIST_FILL, n, ram },		\
	{ "rlist-map-" kind "-" #n,   run_list, LIST_MAP, n, ram },		\
	{ "rlist-walk-" kind "-" #n,  run_list, LIST_WALK, n, ram },		\
	{ "rlist-blocks-" kind "-" #n, run_list, LIST_BLOCKS, n, ram },		\
	{ "rlist-unmap-" kind "-" #n, run_list, LIST_UNMAP, n, ram }

#define LISTS(n)	LIST_OPS("peer", n, false), LIST_OPS("ram", n, true),

#else
#define LISTS(n)
#endif

#endif /* P2PDMA_BENCH_RLIST_H */
