// SPDX-License-Identifier: GPL-2.0-only
/*
 * What peer-to-peer DMA costs.
 *
 * One source for any kernel with this interface: nothing is called here but
 * what include/linux/pci-p2pdma.h and the DMA API offer to every driver.
 *
 * The module binds to the RAM-backed BARs of QEMU's ivshmem, registers them, and
 * takes the first two NVMe drives as clients.  Nothing is ever transferred.
 * Each file in debugfs p2pdma_bench/ is an operation: to read it runs it, and
 * shows how long one took, in nanoseconds.  With QEMU's -icount shift=0 these
 * are instructions, and the same in each run.
 *
 * Operations that may be called in any context are measured with interrupts
 * off, so that no timer tick is in the figure; in those that may sleep one may
 * be, and the median is what counts.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "functions.h"

#define BAR		2
#define MAX_PROVIDERS	64
#define MAX_SAMPLES	2000
#define FILL_PIECE	SZ_8M

static unsigned int rounds = MAX_SAMPLES;
module_param(rounds, uint, 0644);
MODULE_PARM_DESC(rounds, "at most so many samples of an operation");

/* One provider after the other, in the order that they were found */
static struct provider {
	struct pci_dev *pdev;
	u64 size;
	u64 took;		/* registration, in ns */
	u64 memory;		/* and in bytes */
} providers[MAX_PROVIDERS];
static int nr_providers;

static struct device *clients[2];

/* One operation at a time */
static DEFINE_MUTEX(bench_lock);
static u64 samples[MAX_SAMPLES];

struct op {
	const char *name;
	int (*run)(struct seq_file *s, const struct op *op);
	size_t size;		/* of an allocation */
	unsigned int count;	/* entries, providers, per cent full */
	bool flag;		/* RAM instead of peer memory, unmap, ... */
};

/* ---- measuring ---- */

static u64 elapsed(ktime_t start, ktime_t end)
{
	return ktime_to_ns(ktime_sub(end, start));
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* How often to do what is usually done @n times */
static unsigned int times(unsigned int n)
{
	return clamp(READ_ONCE(rounds), 1U, n);
}

/* The cost of reading the clock, which every sample contains once */
static u64 clock_cost(void)
{
	u64 best = U64_MAX;
	unsigned long flags;
	ktime_t start;
	int i;

	for (i = 0; i < 10; i++) {
		local_irq_save(flags);
		start = ktime_get();
		best = min(best, elapsed(start, ktime_get()));
		local_irq_restore(flags);
	}
	return best;
}

/*
 * @per: things done per sample.  What the clock costs stays in the figures
 * and is shown beside them.
 */
static void report(struct seq_file *s, unsigned int n, unsigned int per)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		sum += samples[i];
	sort(samples, n, sizeof(samples[0]), compare, NULL);
	seq_printf(s, "n=%u per=%u sum=%llu median=%llu min=%llu max=%llu clock=%llu\n",
		   n, per, sum, samples[n / 2], samples[0], samples[n - 1],
		   clock_cost());
}

#define timed(sample, call) do {				\
	unsigned long __flags;					\
	ktime_t __start;					\
								\
	local_irq_save(__flags);				\
	__start = ktime_get();					\
	call;							\
	(sample) = elapsed(__start, ktime_get());		\
	local_irq_restore(__flags);				\
} while (0)

static int run_clock(struct seq_file *s, const struct op *op)
{
	unsigned int i, n = times(200);

	for (i = 0; i < n; i++)
		timed(samples[i], barrier());
	report(s, n, 1);
	return 0;
}

/* ---- registration ---- */

static int register_bar(struct provider *provider)
{
	struct sysinfo before, after;
	ktime_t start, end;
	int error;

	si_meminfo(&before);
	start = ktime_get();
	error = pci_p2pdma_add_resource(provider->pdev, BAR, 0, 0);
	end = ktime_get();
	if (error)
		return error;
	si_meminfo(&after);
	pci_p2pmem_publish(provider->pdev, true);
	provider->took = elapsed(start, end);
	provider->memory = (u64)(before.freeram - after.freeram) << PAGE_SHIFT;
	return 0;
}

static int run_register(struct seq_file *s, const struct op *op)
{
	seq_printf(s, "n=1 per=1 sum=%llu bar=%llu memory=%llu\n",
		   providers[0].took, providers[0].size, providers[0].memory);
	return 0;
}

/* ---- allocation ---- */

static struct pci_dev *provider0(void)
{
	return providers[0].pdev;
}

/* Pieces that are kept, each linked to the one before through an array */
struct pieces {
	void **addr;
	size_t size;
	unsigned int n, max;
};

static int pieces_take(struct pieces *p, size_t size, unsigned int max)
{
	p->size = size;
	p->max = max;
	p->n = 0;
	p->addr = kvcalloc(max, sizeof(*p->addr), GFP_KERNEL);
	if (!p->addr)
		return -ENOMEM;
	while (p->n < max) {
		p->addr[p->n] = pci_alloc_p2pmem(provider0(), size);
		if (!p->addr[p->n])
			return -ENOSPC;
		p->n++;
		cond_resched();
	}
	return 0;
}

static void pieces_free(struct pieces *p)
{
	unsigned int i;

	for (i = 0; i < p->n; i++)
		if (p->addr[i])
			pci_free_p2pmem(provider0(), p->addr[i], p->size);
	kvfree(p->addr);
}

/* Allocate up to @max pieces, free them; @freeing says what is measured. */
static int sample_alloc(struct seq_file *s, size_t size, unsigned int max,
			bool freeing)
{
	unsigned int i, n;
	void **addr;
	u64 took;

	addr = kvcalloc(max, sizeof(*addr), GFP_KERNEL);
	if (!addr)
		return -ENOMEM;
	for (n = 0; n < max; n++) {
		timed(took, addr[n] = pci_alloc_p2pmem(provider0(), size));
		if (!addr[n])
			break;
		if (!freeing)
			samples[n] = took;
	}
	for (i = 0; i < n; i++) {
		timed(took, pci_free_p2pmem(provider0(), addr[i], size));
		if (freeing)
			samples[i] = took;
	}
	kvfree(addr);
	if (n < max)
		return -ENOSPC;
	report(s, n, 1);
	return 0;
}

/* op->count per cent of the pool are taken, from its beginning */
static int run_alloc(struct seq_file *s, const struct op *op)
{
	u64 total = providers[0].size, fill = div_u64(total * op->count, 100);
	struct pieces pieces;
	unsigned int n;
	int error;

	error = pieces_take(&pieces, FILL_PIECE, div_u64(fill, FILL_PIECE));
	if (error)
		goto out;
	/* Not to the last byte, which is another question */
	n = min_t(u64, times(op->count ? 200 : MAX_SAMPLES),
		  div64_u64((total - fill) / 100 * 98, op->size));
	if (n)
		error = sample_alloc(s, op->size, n, op->flag);
	else
		error = -ENOSPC;
out:
	pieces_free(&pieces);
	return error;
}

/*
 * Everything but the last SCATTER_TAIL in pieces of SZ_64K, some of them free.
 * Kept from one operation to the next, for with stock kernels it takes long;
 * operations of another kind get their pool back by gather().
 */
#define SCATTER_TAIL	SZ_64M

static struct pieces scattered;
static unsigned int scattered_fill;	/* per cent taken; 0 if not there */

static void gather(void)
{
	pieces_free(&scattered);
	memset(&scattered, 0, sizeof(scattered));
	scattered_fill = 0;
}

/* @fill: 50, 90 or 99, by freeing every second, tenth or hundredth piece */
static int scatter(unsigned int fill)
{
	unsigned int i, every = 100 / (100 - fill);
	int error;

	if (scattered_fill < fill)
		gather();
	if (!scattered_fill) {
		error = pieces_take(&scattered, SZ_64K,
				    div_u64(providers[0].size - SCATTER_TAIL,
					    SZ_64K));
		if (error) {
			gather();
			return error;
		}
	}
	for (i = every - 1; i < scattered.n; i += every) {
		if (!scattered.addr[i])
			continue;
		pci_free_p2pmem(provider0(), scattered.addr[i], SZ_64K);
		scattered.addr[i] = NULL;
	}
	scattered_fill = fill;
	return 0;
}

static int run_scattered(struct seq_file *s, const struct op *op)
{
	unsigned int n = min(times(200), SCATTER_TAIL / 100 * 98 / op->size);
	int error = scatter(op->count);

	return error ?: sample_alloc(s, op->size, n, op->flag);
}

/* ---- allocation that fails ---- */

/* Pages of pieces that all but satisfy a request of one more */
#define CROWD		33

/* What is taken so that there is nothing left, or nothing that is large enough */
struct filling {
	struct pieces large;
	struct pieces small;	/* in a crowd: the one behind each large piece */
	struct pieces rest;	/* single pages */
};

/* As many as there are, up to @max */
static int pieces_take_all(struct pieces *p, size_t size, unsigned int max)
{
	int error = pieces_take(p, size, max);

	return error == -ENOSPC ? 0 : error;
}

/* All of it; a page of the end on its own */
static int fill_all(struct filling *f)
{
	u64 total = providers[0].size;
	int error;

	error = pieces_take_all(&f->large, FILL_PIECE,
				div_u64(total, FILL_PIECE) - 1);
	return error ?: pieces_take_all(&f->rest, PAGE_SIZE,
					2 * FILL_PIECE / PAGE_SIZE);
}

/* Free pieces of CROWD pages with a page between them, wherever that goes */
static int fill_crowd(struct filling *f)
{
	unsigned int i, max = div_u64(providers[0].size, (CROWD + 1) * PAGE_SIZE);
	int error;

	f->large.size = CROWD * PAGE_SIZE;
	f->small.size = PAGE_SIZE;
	f->large.addr = kvcalloc(max, sizeof(void *), GFP_KERNEL);
	f->small.addr = kvcalloc(max, sizeof(void *), GFP_KERNEL);
	if (!f->large.addr || !f->small.addr)
		return -ENOMEM;
	for (i = 0; i < max; i++) {
		f->large.addr[i] = pci_alloc_p2pmem(provider0(), f->large.size);
		f->small.addr[i] = pci_alloc_p2pmem(provider0(), f->small.size);
		f->large.n = i + 1;
		f->small.n = i + 1;
	}
	error = pieces_take_all(&f->rest, PAGE_SIZE,
				providers[0].size >> PAGE_SHIFT);
	for (i = 0; i < max && !error; i++) {
		if (!f->large.addr[i] || f->small.addr[i] !=
		    f->large.addr[i] + CROWD * PAGE_SIZE)
			continue;
		pci_free_p2pmem(provider0(), f->large.addr[i], f->large.size);
		f->large.addr[i] = NULL;
	}
	return error;
}

/* Something that makes no difference comes and goes: a page, or one of the crowd */
static void stir(struct filling *f, bool crowd)
{
	size_t size = crowd ? CROWD * PAGE_SIZE : PAGE_SIZE;
	void **last = &f->rest.addr[f->rest.n - 1];

	if (crowd) {
		pci_free_p2pmem(provider0(), pci_alloc_p2pmem(provider0(), size),
				size);
		return;
	}
	pci_free_p2pmem(provider0(), *last, size);
	*last = pci_alloc_p2pmem(provider0(), size);
}

/* How the pool is when it fails: op->count */
enum { FAIL_EMPTY, FAIL_FULL, FAIL_CROWD, FAIL_SCATTERED = 50 };

/*
 * op->flag: something comes back before each try.  Where it does not, the first
 * try is the dear one, and it is the median that counts.
 */
static int run_fail(struct seq_file *s, const struct op *op)
{
	u64 size = op->size ?: providers[0].size + PAGE_SIZE;
	unsigned int i, n = times(200);
	struct filling f = {};
	int error = 0;
	void *addr;

	if (op->count == FAIL_SCATTERED)
		error = scatter(FAIL_SCATTERED) ?:
			pieces_take_all(&f.large, size, SCATTER_TAIL / size);
	else
		gather();
	if (op->count == FAIL_FULL)
		error = fill_all(&f);
	if (op->count == FAIL_CROWD)
		error = fill_crowd(&f);
	for (i = 0; i < n && !error; i++) {
		if (op->flag)
			stir(&f, op->count == FAIL_CROWD);
		timed(samples[i], addr = pci_alloc_p2pmem(provider0(), size));
		if (addr) {
			pci_free_p2pmem(provider0(), addr, size);
			error = -EEXIST;
		}
	}
	pieces_free(&f.large);
	pieces_free(&f.small);
	pieces_free(&f.rest);
	if (!error)
		report(s, n, 1);
	return error;
}

/* ---- routes ---- */

static int run_distance(struct seq_file *s, const struct op *op)
{
	int i, distance, n = times(200);
	ktime_t start;

	for (i = 0; i < 4; i++) {
		pci_p2pdma_distance_many(provider0(), clients, op->count, false);
		msleep(50);
	}
	for (i = 0; i < n; i++) {
		start = ktime_get();
		distance = pci_p2pdma_distance_many(provider0(), clients,
						    op->count, false);
		samples[i] = elapsed(start, ktime_get());
		if (distance < 0)
			return -EREMOTEIO;
	}
	report(s, n, 1);
	return 0;
}

/* The closest of op->count providers to both clients, of equals a random one */
static int run_find(struct seq_file *s, const struct op *op)
{
	int i, n = times(MAX_SAMPLES), error = 0;
	struct pci_dev *found;
	ktime_t start;

	for (i = 0; i < nr_providers; i++)
		pci_p2pmem_publish(providers[i].pdev, i < op->count);
	for (i = 0; i < 4; i++) {
		pci_dev_put(pci_p2pmem_find_many(clients, ARRAY_SIZE(clients)));
		msleep(50);
	}
	for (i = 0; i < n && !error; i++) {
		start = ktime_get();
		found = pci_p2pmem_find_many(clients, ARRAY_SIZE(clients));
		samples[i] = elapsed(start, ktime_get());
		if (!found)
			error = -EREMOTEIO;
		pci_dev_put(found);
	}
	for (i = 0; i < nr_providers; i++)
		pci_p2pmem_publish(providers[i].pdev, true);
	if (!error)
		report(s, n, 1);
	return error;
}

/* ---- mapping ---- */

static int fill_table(struct sg_table *sgt, struct scatterlist *sgl, void *peer)
{
	struct scatterlist *sg;
	struct page *page;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i) {
		if (peer)
			page = virt_to_page(peer + i * PAGE_SIZE);
		else
			/* Every other one, so that no two of them adjoin */
			page = alloc_pages(GFP_KERNEL, 1);
		if (!page)
			return -ENOMEM;
		sg_set_page(sg, page, PAGE_SIZE, 0);
	}
	return 0;
}

static void empty_table(struct sg_table *sgt, bool ram)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_sg(sgt, sg, i)
		if (ram && sg_page(sg))
			__free_pages(sg_page(sg), 1);
	sg_free_table(sgt);
}

/* op->count pages, an entry each; op->size: 0 is map, 1 is unmap */
static int run_map(struct seq_file *s, const struct op *op)
{
	size_t size = op->count * PAGE_SIZE;
	struct device *dev = clients[0];
	bool ram = op->flag;
	struct sg_table sgt;
	void *peer = NULL;
	int i, n = times(200), error;
	u64 map, unmap;

	error = sg_alloc_table(&sgt, op->count, GFP_KERNEL);
	if (error)
		return error;
	if (!ram) {
		peer = pci_alloc_p2pmem(provider0(), size);
		if (!peer) {
			sg_free_table(&sgt);
			return -ENOSPC;
		}
	}
	error = fill_table(&sgt, sgt.sgl, peer);
	/* Whatever is worked out in the background for a new client */
	for (i = 0; i < 4 && !error; i++) {
		error = dma_map_sgtable(dev, &sgt, DMA_BIDIRECTIONAL, 0);
		if (!error)
			dma_unmap_sgtable(dev, &sgt, DMA_BIDIRECTIONAL, 0);
		msleep(50);
	}
	for (i = 0; i < n && !error; i++) {
		timed(map, error = dma_map_sgtable(dev, &sgt,
						   DMA_BIDIRECTIONAL, 0));
		if (error)
			break;
		timed(unmap, dma_unmap_sgtable(dev, &sgt,
					       DMA_BIDIRECTIONAL, 0));
		samples[i] = op->size ? unmap : map;
	}
	empty_table(&sgt, ram);
	if (peer)
		pci_free_p2pmem(provider0(), peer, size);
	if (!error)
		report(s, n, op->count);
	return error;
}

/* One page, mapped for the next client each time; unmapped at once */
static int map_in_turn(struct sg_table *sgt, unsigned int n, unsigned int of)
{
	struct device *dev;
	unsigned int i;
	int error;

	for (i = 0; i < n; i++) {
		dev = &functions[i % of]->dev;
		timed(samples[i], error = dma_map_sgtable(dev, sgt,
							  DMA_BIDIRECTIONAL, 0));
		if (error)
			return error;
		dma_unmap_sgtable(dev, sgt, DMA_BIDIRECTIONAL, 0);
	}
	return 0;
}

/* op->count clients in turn, after a few rounds to get used to them */
static int run_turn(struct seq_file *s, const struct op *op)
{
	unsigned int i, n = times(clamp(2 * op->count, 200U, MAX_SAMPLES));
	struct sg_table sgt;
	int error = 0;
	void *peer;

	if (!nr_functions)
		functions_make();
	if (op->count > nr_functions)
		return -ENODEV;
	for (i = 0; i < op->count && !error; i++)
		error = dma_set_mask(&functions[i]->dev, DMA_BIT_MASK(64));
	if (error)
		return error;
	peer = pci_alloc_p2pmem(provider0(), PAGE_SIZE);
	if (!peer)
		return -ENOSPC;
	error = sg_alloc_table(&sgt, 1, GFP_KERNEL);
	if (error)
		goto free_peer;
	error = fill_table(&sgt, sgt.sgl, peer);
	for (i = 0; i < 4 && !error; i++) {
		error = map_in_turn(&sgt, op->count, op->count);
		msleep(50);
	}
	if (!error)
		error = map_in_turn(&sgt, n, op->count);
	empty_table(&sgt, false);
	if (!error)
		report(s, n, 1);
free_peer:
	pci_free_p2pmem(provider0(), peer, PAGE_SIZE);
	return error;
}

/* ---- range lists ---- */

#include "rlist.h"

/* ---- two processors ---- */

struct hammer {
	struct task_struct *task;
	struct completion done;
	bool *go;
	size_t size;
	u64 rounds;
};

static int hammer(void *data)
{
	struct hammer *h = data;
	ktime_t end;
	void *addr;
	int i;

	while (!READ_ONCE(*h->go))
		cpu_relax();
	end = ktime_add_ms(ktime_get(), 100);
	do {
		for (i = 0; i < 64; i++) {
			addr = pci_alloc_p2pmem(provider0(), h->size);
			if (!addr)
				break;
			pci_free_p2pmem(provider0(), addr, h->size);
			h->rounds++;
		}
	} while (ktime_before(ktime_get(), end));
	complete(&h->done);
	return 0;
}

/* How often @cpus processors allocate and free in 100 ms, together */
static s64 hammer_on(unsigned int cpus, size_t size)
{
	struct hammer hammers[2] = {};
	unsigned int i, n;
	bool go = false;
	u64 rounds = 0;
	int error = 0;

	for (n = 0; n < cpus; n++) {
		struct hammer *h = &hammers[n];

		init_completion(&h->done);
		h->go = &go;
		h->size = size;
		h->task = kthread_create(hammer, h, "p2p-bench/%u", n);
		if (IS_ERR(h->task)) {
			error = PTR_ERR(h->task);
			break;
		}
		kthread_bind(h->task, n);
		wake_up_process(h->task);
	}
	WRITE_ONCE(go, true);
	for (i = 0; i < n; i++) {
		wait_for_completion(&hammers[i].done);
		rounds += hammers[i].rounds;
	}
	return error ?: rounds;
}

/* One and two, in turns, so that both see the same host */
static int run_cpus(struct seq_file *s, const struct op *op)
{
	s64 one, two;
	int i;

	if (num_online_cpus() < 2)
		return -ENODEV;
	for (i = 0; i < 11; i++) {
		one = hammer_on(1, op->size);
		two = hammer_on(2, op->size);
		if (one <= 0 || two <= 0)
			return -ENOMEM;
		samples[i] = div64_s64(two * 1000, one);
	}
	report(s, i, 1000);
	return 0;
}

/* ---- the list of operations ---- */

#define ALLOCS(label, bytes)						\
	{ "alloc-" label "-full0",  run_alloc, bytes, 0 },		\
	{ "alloc-" label "-full50", run_alloc, bytes, 50 },		\
	{ "alloc-" label "-full90", run_alloc, bytes, 90 },		\
	{ "alloc-" label "-full99", run_alloc, bytes, 99 },		\
	{ "free-" label "-full0",   run_alloc, bytes, 0, true },	\
	{ "free-" label "-full50",  run_alloc, bytes, 50, true },	\
	{ "free-" label "-full90",  run_alloc, bytes, 90, true },	\
	{ "free-" label "-full99",  run_alloc, bytes, 99, true }

#define SCATTERED(label, bytes)						\
	{ "alloc-" label "-frag50", run_scattered, bytes, 50 },		\
	{ "alloc-" label "-frag90", run_scattered, bytes, 90 },		\
	{ "alloc-" label "-frag99", run_scattered, bytes, 99 },		\
	{ "free-" label "-frag50",  run_scattered, bytes, 50, true },	\
	{ "free-" label "-frag90",  run_scattered, bytes, 90, true },	\
	{ "free-" label "-frag99",  run_scattered, bytes, 99, true }

#define MAPS(n)								\
	{ "map-peer-" #n,   run_map, 0, n, false },			\
	{ "unmap-peer-" #n, run_map, 1, n, false },			\
	{ "map-ram-" #n,    run_map, 0, n, true },			\
	{ "unmap-ram-" #n,  run_map, 1, n, true }

static const struct op ops[] = {
	{ "clock", run_clock },
	{ "register", run_register },
	ALLOCS("4k", SZ_4K),
	ALLOCS("64k", SZ_64K),
	ALLOCS("1m", SZ_1M),
	ALLOCS("4m", SZ_4M),
	SCATTERED("4k", SZ_4K),
	SCATTERED("64k", SZ_64K),
	SCATTERED("256k", SZ_256K),
	SCATTERED("4m", SZ_4M),
	{ "fail-more-empty",    run_fail, 0, FAIL_EMPTY },
	{ "fail-4k-full",       run_fail, SZ_4K, FAIL_FULL },
	{ "fail-1m-full",       run_fail, SZ_1M, FAIL_FULL },
	{ "fail-1m-full-again", run_fail, SZ_1M, FAIL_FULL, true },
	{ "fail-1m-frag50",     run_fail, SZ_1M, FAIL_SCATTERED },
	{ "fail-136k-crowd",    run_fail, (CROWD + 1) * SZ_4K, FAIL_CROWD },
	{ "fail-136k-crowd-again", run_fail, (CROWD + 1) * SZ_4K, FAIL_CROWD, true },
	{ "distance-1", run_distance, 0, 1 },
	{ "distance-2", run_distance, 0, 2 },
	{ "find-1", run_find, 0, 1 },
	{ "find-2", run_find, 0, 2 },
	{ "find-4", run_find, 0, 4 },
	{ "find-8", run_find, 0, 8 },
	{ "find-16", run_find, 0, 16 },
	{ "find-32", run_find, 0, 32 },
	{ "find-64", run_find, 0, 64 },
	MAPS(1),
	MAPS(4),
	MAPS(16),
	MAPS(64),
	MAPS(256),
	MAPS(1024),
	{ "turn-1", run_turn, 0, 1 },
	{ "turn-8", run_turn, 0, 8 },
	{ "turn-32", run_turn, 0, 32 },
	{ "turn-256", run_turn, 0, 256 },
	{ "turn-1024", run_turn, 0, 1024 },
	{ "cpus-4k", run_cpus, SZ_4K },
	{ "cpus-64k", run_cpus, SZ_64K },
	/* Last, as other kernels have none */
	LISTS(1)
	LISTS(256)
};

static int op_show(struct seq_file *s, void *unused)
{
	const struct op *op = s->private;
	int error;

	if (!nr_providers || !clients[1])
		return -ENODEV;
	mutex_lock(&bench_lock);
	if (op->run != run_scattered && op->run != run_fail)
		gather();
	error = op->run(s, op);
	mutex_unlock(&bench_lock);
	return error;
}
DEFINE_SHOW_ATTRIBUTE(op);

/* ---- devices ---- */

static int bench_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct provider *provider = &providers[nr_providers];
	int error;

	if (nr_providers == MAX_PROVIDERS)
		return -ENOSPC;
	error = pcim_enable_device(pdev);
	if (error)
		return error;
	provider->pdev = pdev;
	provider->size = pci_resource_len(pdev, BAR);
	error = register_bar(provider);
	if (error)
		return error;
	nr_providers++;
	return 0;
}

static const struct pci_device_id bench_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },	/* ivshmem */
	{ }
};
MODULE_DEVICE_TABLE(pci, bench_ids);

static struct pci_driver bench_driver = {
	.name = "p2pdma_bench",
	.id_table = bench_ids,
	.probe = bench_probe,
	.driver.suppress_bind_attrs = true,
};

static struct dentry *bench_dir;

static void put_clients(void)
{
	put_device(clients[0]);
	put_device(clients[1]);
}

static int __init bench_init(void)
{
	struct pci_dev *pdev = NULL;
	unsigned int i;
	int error;

	for (i = 0; i < ARRAY_SIZE(clients); i++) {
		pdev = pci_get_class(PCI_CLASS_STORAGE_EXPRESS, pdev);
		if (!pdev)
			break;
		clients[i] = get_device(&pdev->dev);
	}
	pci_dev_put(pdev);

	error = pci_register_driver(&bench_driver);
	if (error) {
		put_clients();
		return error;
	}
	bench_dir = debugfs_create_dir("p2pdma_bench", NULL);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		debugfs_create_file(ops[i].name, 0400, bench_dir,
				    (void *)&ops[i], &op_fops);
	return 0;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	debugfs_remove(bench_dir);
	gather();
	pci_unregister_driver(&bench_driver);
	functions_remove();
	put_clients();
}
module_exit(bench_exit);

/*
 * Built beside the tree and not in it, so that the stock tree stays as it is;
 * but it comes with this kernel, so nothing is tainted.
 */
MODULE_INFO(intree, "Y");
MODULE_DESCRIPTION("What PCI peer-to-peer DMA costs");
MODULE_LICENSE("GPL");
