// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: data of commands in peer memory
 *
 * A namespace whose p2pmem attribute is set gets the data of reads and writes
 * from the memory of another PCI device, the provider, so that they go
 * client <-> BAR <-> drive and leave RAM alone.  p2pmem-choice.c says which
 * provider; this file is about the commands.
 *
 * Never wrong data with good status.  A provider that is reset, recovered or
 * pulled out loses what passes through its memory, and to whoever reads it
 * looks as if it holds ones.  It counts its outages.  A command takes that
 * number before it takes memory, and compares it
 *
 * - before the drive reads what the client has sent (nvmet_p2pmem_start()),
 * - when the drive is done (nvmet_p2pmem_done()),
 * - when a client's data have been read from there (nvmet_p2pmem_sent()),
 *
 * and if it is another one, ends with Command Interrupted, which tells the
 * host to repeat it; the same path will do, as it is then in RAM.  So a
 * transport must not say that a read was good before nvmet_p2pmem_sent() has
 * said so.  Where the CPU moves the data, its last load tells of an outage
 * that nobody has noticed yet, too.
 *
 * A drive that refuses peer memory, as the route to it was withdrawn, ends in
 * the same way: the block layer's error for it is that for a bad LBA, which it
 * must not become.
 */
#include <linux/blkdev.h>
#include <linux/cleanup.h>
#include <linux/io.h>
#include <linux/lockdep.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/percpu.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "nvmet.h"

const char * const nvmet_p2pmem_ram_names[] = {
	[NVMET_P2PMEM_RAM_OWN]		= "transport",
	[NVMET_P2PMEM_RAM_CPU]		= "cpu",
	[NVMET_P2PMEM_RAM_UNREACHABLE]	= "unreachable",
	[NVMET_P2PMEM_RAM_GONE]		= "gone",
	[NVMET_P2PMEM_RAM_POOL]		= "pool",
	[NVMET_P2PMEM_RAM_DEVICE]	= "device",
	[NVMET_P2PMEM_RAM_OUTAGE]	= "outage",
	[NVMET_P2PMEM_RAM_DRIVE]	= "drive",
};

/* ---- memory of a command ---- */

/*
 * The target itself reads or writes the data of any other commands than reads
 * and writes, which are few and small: they are in RAM.
 */
static bool moves_data(const struct nvmet_req *req)
{
	u8 opcode = req->cmd->common.opcode;

	return req->sq->qid && !nvme_is_fabrics(req->cmd) &&
	       (opcode == nvme_cmd_read || opcode == nvme_cmd_write);
}

/**
 * nvmet_p2pmem_req_want - a command of a namespace that is on peer memory
 * @req: command that has passed all checks
 */
void nvmet_p2pmem_req_want(struct nvmet_req *req)
{
	if (!moves_data(req))
		return;
	req->p2pmem.wanted = true;
	req->p2pmem.some_ram = false;
	req->p2pmem.ram = NVMET_P2PMEM_RAM_OWN;
}

/**
 * nvmet_p2pmem_req_pass_on - a client's own memory has peer memory among it
 * @req: command that has passed all checks, of a transport that hands over the
 *	client's pages
 *
 * Context: any.
 * Return: 0, or the NVMe status for a command whose data the target would read
 * or write itself.
 */
u16 nvmet_p2pmem_req_pass_on(struct nvmet_req *req)
{
	if (!moves_data(req))
		return NVME_SC_CMD_INTERRUPTED | NVME_STATUS_DNR;
	req->p2pmem.of_client = true;
	return 0;
}
EXPORT_SYMBOL_GPL(nvmet_p2pmem_req_pass_on);

/* Why a provider did not give any to a command that asked after @outages */
static enum nvmet_p2pmem_ram ram_reason(struct pci_dev *provider,
					unsigned long outages)
{
	if (!pci_has_p2pmem(provider))
		return NVMET_P2PMEM_RAM_GONE;
	/* An outage that has just ended stopped the pool, too. */
	if (!pci_p2pdma_reachable(provider) ||
	    !pci_p2pmem_intact(provider, outages))
		return NVMET_P2PMEM_RAM_OUTAGE;
	return NVMET_P2PMEM_RAM_POOL;
}

/**
 * nvmet_p2pmem_alloc - take the memory for a command's data from a provider
 * @req: command that wants it
 * @length: number of bytes
 *
 * Context: may sleep.
 * Return: whether req->sg and req->sg_cnt are set. If not, the reason is kept
 * with the command.
 */
bool nvmet_p2pmem_alloc(struct nvmet_req *req, u32 length)
{
	struct nvmet_p2pmem_use *use = nvmet_p2pmem_use_get(req);
	struct scatterlist *sg;
	unsigned int count;

	if (!use)
		return false;
	req->p2pmem.outages = pci_p2pdma_outages();
	sg = pci_p2pmem_alloc_sgl(use->provider, &count, length);
	if (!sg) {
		req->p2pmem.ram = ram_reason(use->provider,
					     req->p2pmem.outages);
		nvmet_p2pmem_use_avoid(use, req->p2pmem.ram);
		percpu_ref_put(&use->commands);
		return false;
	}
	req->sg = sg;
	req->sg_cnt = count;
	req->p2pmem.use = use;
	req->p2pmem.stats = req->ns->p2pmem.stats;
	percpu_ref_get(&req->p2pmem.stats->ref);
	return true;
}
EXPORT_SYMBOL_GPL(nvmet_p2pmem_alloc);

/**
 * nvmet_p2pmem_free - give back what nvmet_p2pmem_alloc() took
 * @req: command; its namespace may be gone
 *
 * Context: any.
 */
void nvmet_p2pmem_free(struct nvmet_req *req)
{
	struct nvmet_p2pmem_use *use = req->p2pmem.use;

	pci_p2pmem_free_sgl(use->provider, req->sg);
	req->p2pmem.use = NULL;
	percpu_ref_put(&req->p2pmem.stats->ref);
	percpu_ref_put(&use->commands);
}
EXPORT_SYMBOL_GPL(nvmet_p2pmem_free);

/**
 * nvmet_p2pmem_unmappable - the client's device does not reach the memory
 * @req: command with memory that the transport could not map
 *
 * Gives that back.  For a second no command gets memory of this provider for
 * that controller: the next allocation gives RAM, or memory of another provider
 * if that has been chosen by then.
 *
 * Context: any.
 */
void nvmet_p2pmem_unmappable(struct nvmet_req *req)
{
	nvmet_p2pmem_use_avoid(req->p2pmem.use, NVMET_P2PMEM_RAM_UNREACHABLE);
	nvmet_p2pmem_free(req);
	req->sg = NULL;
	req->sg_cnt = 0;
}
EXPORT_SYMBOL_GPL(nvmet_p2pmem_unmappable);

/* ---- has the memory kept what was put there? ---- */

/*
 * Does the provider decode accesses to its memory?  For when something looks
 * as if it did not; a command register is too slow to be read for each command.
 * That of a virtual function says nothing of its memory.
 */
static bool provider_decodes(struct pci_dev *provider)
{
	u16 command;

	if (pci_read_config_word(provider, PCI_COMMAND, &command) ||
	    PCI_POSSIBLE_ERROR(command))
		return false;
	return provider->is_virtfn || (command & PCI_COMMAND_MEMORY);
}

static bool cpu_moves_data(const struct nvmet_req *req)
{
	return !req->sq->dma_client;
}

/*
 * Load the last word of a command's memory.  All of the CPU's stores before it
 * have arrived then, which nothing else keeps the drive's reads from
 * overtaking.  And if it is not all ones the provider was there for all the
 * loads before it: who is away answers none.
 */
static bool last_word_is_valid(struct nvmet_req *req)
{
	struct scatterlist *sg = sg_last(req->sg, req->sg_cnt);
	void *last = sg_virt(sg) + ALIGN_DOWN(sg->length - 1, sizeof(u32));

	mb(); /* what write combining holds back goes first */
	return readl((void __iomem __force *)last) != ~0U ||
	       provider_decodes(req->p2pmem.use->provider);
}

/**
 * nvmet_p2pmem_lost - may a command's memory have lost what it held?
 * @req: any command
 *
 * Context: any.
 * Return: true if it has memory of a provider that has been away since.
 */
bool nvmet_p2pmem_lost(struct nvmet_req *req)
{
	return nvmet_p2pmem_used(&req->p2pmem) &&
	       !pci_p2pmem_intact(req->p2pmem.use->provider,
				  req->p2pmem.outages);
}
EXPORT_SYMBOL_GPL(nvmet_p2pmem_lost);

/* Fail a command such that the host repeats it, which is in RAM then */
static u16 interrupted(struct nvmet_req *req, enum nvmet_p2pmem_ram reason)
{
	this_cpu_inc(req->p2pmem.stats->counts->interrupted);
	/* This use may have been dropped already, and another one be chosen. */
	if (reason == NVMET_P2PMEM_RAM_OUTAGE)
		WRITE_ONCE(req->sq->ctrl->p2pmem.outage, jiffies | 1);
	nvmet_p2pmem_use_avoid(req->p2pmem.use, reason);
	req->error_loc = NVMET_NO_ERROR_LOC;
	return NVME_SC_CMD_INTERRUPTED;
}

/* ---- on its way ---- */

/* How much of the client's own memory is peer memory: all of it, or some */
static void check_client_pages(struct nvmet_req *req)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(req->sg, sg, req->sg_cnt, i) {
		if (is_pci_p2pdma_page(sg_page(sg)))
			req->p2pmem.peer += sg->length;
		else
			req->p2pmem.some_ram = true;
	}
}

/**
 * __nvmet_p2pmem_start - a read or write is about to be passed on
 * @req: command; see nvmet_p2pmem_start() for which
 * @opf: NULL if the data go to a file
 *
 * A client's own peer memory (loop) is refused unless the drive takes it.
 *
 * Context: any.
 * Return: 0 or an NVMe status.
 */
u16 __nvmet_p2pmem_start(struct nvmet_req *req, blk_opf_t *opf)
{
	bool ours = nvmet_p2pmem_used(&req->p2pmem);

	if (ours)
		req->p2pmem.peer = req->transfer_len - req->metadata_len;
	else if (req->p2pmem.of_client)
		check_client_pages(req);
	else
		req->p2pmem.some_ram = true;
	if (!req->p2pmem.peer)
		return 0;

	if (!opf || !blk_queue_pci_p2pdma(bdev_get_queue(req->ns->bdev))) {
		/* A stack may have got a member that takes none. */
		if (ours)
			return interrupted(req, NVMET_P2PMEM_RAM_DRIVE);
		/* To repeat it is of no use, EREMOTEIO is what it should be. */
		return NVME_SC_CMD_INTERRUPTED | NVME_STATUS_DNR;
	}
	if (ours && nvme_is_write(req->cmd) &&
	    ((cpu_moves_data(req) && !last_word_is_valid(req)) ||
	     nvmet_p2pmem_lost(req)))
		return interrupted(req, NVMET_P2PMEM_RAM_OUTAGE);
	return 0;
}

/**
 * nvmet_p2pmem_refused - a drive has ended a command with BLK_STS_TARGET
 * @req: command with data in peer memory
 *
 * That is what it does where it has no route, and for a bad LBA, too; in RAM
 * it will be seen which it is.  To the data of a client's own (loop) the target
 * can do nothing, and leaves it to the host when to give up.
 *
 * Context: any.
 * Return: NVMe status.
 */
u16 nvmet_p2pmem_refused(struct nvmet_req *req)
{
	if (nvmet_p2pmem_used(&req->p2pmem)) {
		/* It may have got a member that does not reach the memory. */
		nvmet_p2pmem_choose_later(0);
		return interrupted(req, nvmet_p2pmem_lost(req) ?
				   NVMET_P2PMEM_RAM_OUTAGE :
				   NVMET_P2PMEM_RAM_UNREACHABLE);
	}
	req->error_loc = NVMET_NO_ERROR_LOC;
	return NVME_SC_CMD_INTERRUPTED;
}

static void account(struct nvmet_req *req, struct nvmet_p2pmem_stats *stats)
{
	struct nvmet_p2pmem_counts __percpu *counts = stats->counts;
	struct nvmet_p2pmem_req *p2pmem = &req->p2pmem;

	if (p2pmem->peer) {
		this_cpu_inc(counts->requests);
		this_cpu_add(counts->bytes, p2pmem->peer);
	}
	/* Peer memory of the client's own, on loop, is moved by nobody. */
	if (p2pmem->use && cpu_moves_data(req)) {
		this_cpu_inc(counts->cpu_requests);
		this_cpu_add(counts->cpu_bytes, p2pmem->peer);
	}
	if (p2pmem->some_ram)
		this_cpu_inc(counts->ram[p2pmem->ram]);
	if (req->metadata_len)
		this_cpu_inc(counts->ram_metadata);
}

/**
 * nvmet_p2pmem_done - a command that wants peer memory is about to be answered
 * @req: command
 * @status: what it has come to
 *
 * Counts what has succeeded, but for reads of which the transport has still to
 * take the data: see nvmet_p2pmem_sent().
 *
 * Context: any; the command holds its namespace.
 * Return: NVMe status that the answer is to have.
 */
u16 nvmet_p2pmem_done(struct nvmet_req *req, u16 status)
{
	bool ours = nvmet_p2pmem_used(&req->p2pmem);

	if (ours && req->p2pmem.peer && status != NVME_SC_CMD_INTERRUPTED) {
		/* A drive that finds nothing there says so in its own words. */
		if (nvmet_p2pmem_lost(req) ||
		    (status && !provider_decodes(req->p2pmem.use->provider)))
			return interrupted(req, NVMET_P2PMEM_RAM_OUTAGE);
	}
	if (!status && (!ours || nvme_is_write(req->cmd)))
		account(req, req->ns->p2pmem.stats);
	return status;
}

/**
 * nvmet_p2pmem_sent - the transport has taken a read's data out of peer memory
 * @req: command that was answered, its memory not yet given back
 *
 * Context: any; the namespace may be gone.
 * Return: NVMe status: if it is not 0, what was taken is not what the drive
 * had, and the client must not be told that it were.
 */
u16 nvmet_p2pmem_sent(struct nvmet_req *req)
{
	if ((cpu_moves_data(req) && !last_word_is_valid(req)) ||
	    nvmet_p2pmem_lost(req))
		return interrupted(req, NVMET_P2PMEM_RAM_OUTAGE);
	account(req, req->p2pmem.stats);
	return 0;
}
EXPORT_SYMBOL_GPL(nvmet_p2pmem_sent);

/**
 * nvmet_p2pmem_passes - would a subsystem pass a client's peer memory on?
 * @subsys: subsystem
 *
 * For a transport that hands the client's own pages over.  Each command is
 * checked by itself, see nvmet_p2pmem_start().
 *
 * Context: any.
 * Return: whether one of its namespaces takes peer memory.
 */
bool nvmet_p2pmem_passes(struct nvmet_subsys *subsys)
{
	unsigned long nsid;
	struct nvmet_ns *ns;

	/* nvmet_ns_disable() closes the block device a grace period later. */
	guard(rcu)();
	xa_for_each(&subsys->namespaces, nsid, ns)
		if (ns->bdev && blk_queue_pci_p2pdma(bdev_get_queue(ns->bdev)))
			return true;
	return false;
}
EXPORT_SYMBOL_GPL(nvmet_p2pmem_passes);

/* ---- counters ---- */

static void stats_release(struct percpu_ref *ref)
{
	struct nvmet_p2pmem_stats *stats =
		container_of(ref, struct nvmet_p2pmem_stats, ref);

	percpu_ref_exit(ref);
	free_percpu(stats->counts);
	kfree(stats);
}

/**
 * nvmet_p2pmem_stats_alloc - counters for a namespace
 *
 * Context: may sleep.
 * Return: the counters, all 0, or NULL; see nvmet_p2pmem_exit_ns().
 */
struct nvmet_p2pmem_stats *nvmet_p2pmem_stats_alloc(void)
{
	struct nvmet_p2pmem_stats *stats __free(kfree) =
		kzalloc(sizeof(*stats), GFP_KERNEL);

	if (!stats)
		return NULL;
	stats->counts = alloc_percpu(struct nvmet_p2pmem_counts);
	if (!stats->counts)
		return NULL;
	if (percpu_ref_init(&stats->ref, stats_release, 0, GFP_KERNEL)) {
		free_percpu(stats->counts);
		return NULL;
	}
	return no_free_ptr(stats);
}

/**
 * nvmet_p2pmem_exit_ns - a disabled namespace goes away
 * @ns: namespace
 */
void nvmet_p2pmem_exit_ns(struct nvmet_ns *ns)
{
	if (ns->p2pmem.stats)
		percpu_ref_kill(&ns->p2pmem.stats->ref);
	kfree(ns->p2pmem.named);
}

static void sum_counts(struct nvmet_p2pmem_stats *stats,
		       struct nvmet_p2pmem_counts *sum)
{
	u64 *to = (u64 *)sum, *from;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		from = (u64 *)per_cpu_ptr(stats->counts, cpu);
		for (i = 0; i < sizeof(*sum) / sizeof(u64); i++)
			to[i] += READ_ONCE(from[i]);
	}
}

/**
 * nvmet_p2pmem_print - counters of a namespace, and its controllers' choices
 * @ns: namespace
 * @page: where to print, a page
 *
 * Context: subsys->lock held, may sleep.
 * Return: number of characters.
 */
ssize_t nvmet_p2pmem_print(struct nvmet_ns *ns, char *page)
{
	struct nvmet_p2pmem_counts sum = { };
	ssize_t at;
	int i;

	lockdep_assert_held(&ns->subsys->lock);
	if (ns->p2pmem.stats)
		sum_counts(ns->p2pmem.stats, &sum);
	at = sysfs_emit(page, "requests %llu\nbytes %llu\n", sum.requests,
			sum.bytes);
	at += sysfs_emit_at(page, at, "cpu_requests %llu\ncpu_bytes %llu\n",
			    sum.cpu_requests, sum.cpu_bytes);
	at += sysfs_emit_at(page, at, "interrupted %llu\nram_metadata %llu\n",
			    sum.interrupted, sum.ram_metadata);
	for (i = 0; i < NVMET_P2PMEM_RAM_REASONS; i++)
		at += sysfs_emit_at(page, at, "ram_%s %llu\n",
				    nvmet_p2pmem_ram_names[i], sum.ram[i]);
	return nvmet_p2pmem_print_choices(ns, page, at);
}
