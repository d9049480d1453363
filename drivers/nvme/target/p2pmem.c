// SPDX-License-Identifier: GPL-2.0-only
/*
 * NVMe target: data of commands in peer memory.
 *
 * A namespace whose p2pmem attribute is set gets the data of reads and writes
 * from a PCI device that lends memory, so that they go client <-> BAR <-> drive
 * and leave RAM alone.
 *
 * Who chooses, and when.  For each pair of a controller and an enabled
 * namespace a provider is chosen that both the drive and the controller's
 * client reach: when the controller connects, when the namespace is enabled,
 * and again whenever a PCI driver was bound or unbound.  Where there is none,
 * the reason is kept in its place; each command whose data are in RAM for that
 * reason is counted under it, and the choice is in the log.
 *
 * Lifetimes.  A choice holds a reference on the provider's struct pci_dev, no
 * more; it does not hold up the unbinding of its driver.  Memory is held by
 * commands alone, each for its own duration, so unbinding waits for the
 * commands in flight; those that come later find nothing to allocate and use
 * RAM.  Commands look choices up under p2pmem_srcu.  They hold a reference on
 * their namespace and their controller meanwhile, so only a choice that is
 * replaced under both has to wait for them.
 *
 * Locks: subsys->lock, then p2pmem_lock.  The attributes are in
 * p2pmem-configfs.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/blkdev.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/lockdep.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/percpu.h>
#include <linux/scatterlist.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

#include "nvmet.h"

/*
 * Counted per namespace.  @requests and @bytes are of reads and writes with
 * their data in peer memory, @cpu_* those of them that the CPU moved.
 */
struct nvmet_p2pmem_stats {
	u64 requests;
	u64 bytes;
	u64 cpu_requests;
	u64 cpu_bytes;
	u64 ram_metadata;
	u64 ram[NVMET_P2PMEM_RAM_REASONS];
};

static const char * const p2pmem_ram_names[] = {
	[NVMET_P2PMEM_RAM_OWN]		= "transport",
	[NVMET_P2PMEM_RAM_CPU]		= "cpu",
	[NVMET_P2PMEM_RAM_UNREACHABLE]	= "unreachable",
	[NVMET_P2PMEM_RAM_GONE]		= "gone",
	[NVMET_P2PMEM_RAM_POOL]		= "pool",
	[NVMET_P2PMEM_RAM_DEVICE]	= "device",
};

static const char * const p2pmem_ram_texts[] = {
	[NVMET_P2PMEM_RAM_CPU] =
		"the CPU moves this client's data; p2pmem_cpu allows that",
	[NVMET_P2PMEM_RAM_UNREACHABLE] =
		"no lent memory that both the drive and the client reach; see debugfs p2pdma/routes",
	[NVMET_P2PMEM_RAM_GONE] =
		"the device named in p2pmem lends none now",
};

/* Protects the two lists, and choices against other writers */
static DEFINE_MUTEX(p2pmem_lock);
static LIST_HEAD(p2pmem_namespaces);
static LIST_HEAD(p2pmem_ctrls);
DEFINE_STATIC_SRCU(p2pmem_srcu);

/* ---- which memory ---- */

/* The device that the administrator named, with a reference, if it lends */
static struct pci_dev *named_provider(const struct nvmet_p2pmem_ns *p2pmem)
{
	struct pci_dev *pdev;

	pdev = pci_get_domain_bus_and_slot(p2pmem->domain,
					   PCI_BUS_NUM(p2pmem->bdf),
					   p2pmem->bdf & 0xff);
	if (pdev && pci_has_p2pmem(pdev))
		return pdev;
	pci_dev_put(pdev);
	return NULL;
}

/*
 * Choose for one controller and namespace.  @keep is the present choice, which
 * stays while it is good.  Returns what is to be stored in
 * nvmet_p2pmem_ctrl.choices, a provider with a new reference.
 */
static void *choose(struct nvmet_ns *ns, struct nvmet_ctrl *ctrl,
		    struct pci_dev *keep, bool verbose)
{
	struct device *clients[] = {
		&ns->p2pmem.drive->dev, ctrl->p2pmem.client
	};
	int count = ctrl->p2pmem.client ? 2 : 1;
	struct pci_dev *provider;

	if (!ctrl->p2pmem.client && !ns->p2pmem.cpu)
		return xa_mk_value(NVMET_P2PMEM_RAM_CPU);

	if (ns->p2pmem.named) {
		provider = named_provider(&ns->p2pmem);
		if (!provider)
			return xa_mk_value(NVMET_P2PMEM_RAM_GONE);
		if (pci_p2pdma_distance_many(provider, clients, count,
					     verbose) >= 0)
			return provider;
		pci_dev_put(provider);
		return xa_mk_value(NVMET_P2PMEM_RAM_UNREACHABLE);
	}

	if (keep && pci_has_p2pmem(keep) &&
	    pci_p2pdma_distance_many(keep, clients, count, false) >= 0)
		return pci_dev_get(keep);
	provider = pci_p2pmem_find_many(clients, count);
	return provider ?: xa_mk_value(NVMET_P2PMEM_RAM_UNREACHABLE);
}

static void tell_choice(struct nvmet_ns *ns, struct nvmet_ctrl *ctrl,
			void *choice)
{
	const char *nqn = ns->subsys->subsysnqn;

	if (xa_is_value(choice))
		pr_warn("%s nsid %u, controller %u: data in RAM: %s\n", nqn,
			ns->nsid, ctrl->cntlid,
			p2pmem_ram_texts[xa_to_value(choice)]);
	else
		pr_info("%s nsid %u, controller %u: data in memory of %s%s\n",
			nqn, ns->nsid, ctrl->cntlid, pci_name(choice),
			ctrl->p2pmem.client ? "" : ", moved by the CPU");
}

/*
 * Returns the provider that is not chosen any more, or NULL; its reference is
 * the caller's to drop, when no command can be about to allocate from it.
 */
static struct pci_dev *update_choice(struct nvmet_ns *ns,
				     struct nvmet_ctrl *ctrl, bool first)
{
	void *old = xa_load(&ctrl->p2pmem.choices, ns->nsid);
	struct pci_dev *keep = xa_is_value(old) ? NULL : old;
	void *new = choose(ns, ctrl, keep, first);
	int error;

	lockdep_assert_held(&p2pmem_lock);
	if (new == old)
		return keep;	/* of two references now, one goes */

	error = xa_err(xa_store(&ctrl->p2pmem.choices, ns->nsid, new,
				GFP_KERNEL));
	if (error) {
		pr_err("%s nsid %u, controller %u: choice of memory stays as it was: error %d\n",
		       ns->subsys->subsysnqn, ns->nsid, ctrl->cntlid, error);
		return xa_is_value(new) ? NULL : new;
	}
	tell_choice(ns, ctrl, new);
	return keep;
}

static void drop_choice(struct nvmet_ctrl *ctrl, u32 nsid)
{
	void *old = xa_erase(&ctrl->p2pmem.choices, nsid);

	if (old && !xa_is_value(old))
		pci_dev_put(old);
}

/* ---- devices come and go ---- */

/* Providers whose references wait for commands that may have found them */
struct old_providers {
	unsigned int count;
	struct pci_dev *pdev[16];
};

static void put_old(struct old_providers *old)
{
	if (!old->count)
		return;
	synchronize_srcu(&p2pmem_srcu);
	while (old->count)
		pci_dev_put(old->pdev[--old->count]);
}

static void p2pmem_rechoose(struct work_struct *work)
{
	struct old_providers old = { };
	struct nvmet_ctrl *ctrl;
	struct pci_dev *pdev;
	struct nvmet_ns *ns;

	guard(mutex)(&p2pmem_lock);
	list_for_each_entry(ns, &p2pmem_namespaces, p2pmem.node) {
		list_for_each_entry(ctrl, &p2pmem_ctrls, p2pmem.node) {
			if (ctrl->subsys != ns->subsys)
				continue;
			pdev = update_choice(ns, ctrl, false);
			if (!pdev)
				continue;
			old.pdev[old.count++] = pdev;
			if (old.count == ARRAY_SIZE(old.pdev))
				put_old(&old);
		}
	}
	put_old(&old);
}

static DECLARE_WORK(p2pmem_rechoose_work, p2pmem_rechoose);

static int p2pmem_notify(struct notifier_block *nb, unsigned long action,
			 void *data)
{
	/* Not before a driver lends, not before it has taken everything back */
	if (action == BUS_NOTIFY_BOUND_DRIVER ||
	    action == BUS_NOTIFY_UNBOUND_DRIVER)
		queue_work(nvmet_wq, &p2pmem_rechoose_work);
	return NOTIFY_DONE;
}

static struct notifier_block p2pmem_notifier = {
	.notifier_call = p2pmem_notify,
};

int nvmet_p2pmem_init(void)
{
	return bus_register_notifier(&pci_bus_type, &p2pmem_notifier);
}

void nvmet_p2pmem_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &p2pmem_notifier);
	cancel_work_sync(&p2pmem_rechoose_work);
}

/* ---- namespaces and controllers ---- */

/* The PCI function that does a drive's DMA, NULL if that is no single one */
static struct pci_dev *drive_function(struct block_device *bdev)
{
	struct device *dev = disk_to_dev(bdev->bd_disk)->parent;

	while (dev && !dev_is_pci(dev))
		dev = dev->parent;
	return dev ? to_pci_dev(dev) : NULL;
}

/**
 * nvmet_p2pmem_check_drive - can data on a drive be in peer memory at all?
 * @ns: namespace that is to be on it
 * @bdev: the drive
 *
 * Context: may sleep.
 * Return: the drive's PCI function, with a reference, or ERR_PTR(-EOPNOTSUPP)
 * after a line in the log.
 */
struct pci_dev *nvmet_p2pmem_check_drive(struct nvmet_ns *ns,
					 struct block_device *bdev)
{
	struct pci_dev *drive = drive_function(bdev);
	const char *why;

	if (!blk_queue_pci_p2pdma(bdev_get_queue(bdev)))
		why = "takes no peer memory";
	else if (!drive)
		why = "is not one PCI device";
	else if (bdev_is_zoned(bdev))
		why = "is zoned";
	else
		return pci_dev_get(drive);
	pr_err("%s nsid %u: no p2pmem: %s %s\n", ns->subsys->subsysnqn,
	       ns->nsid, ns->device_path, why);
	return ERR_PTR(-EOPNOTSUPP);
}

/**
 * nvmet_p2pmem_check_provider - does a drive reach the memory of a device?
 * @ns: namespace on the drive
 * @provider: device that the administrator named
 * @drive: the drive's PCI function
 *
 * Context: may sleep.
 * Return: 0, or -EREMOTEIO after a line in the log.
 */
int nvmet_p2pmem_check_provider(struct nvmet_ns *ns, struct pci_dev *provider,
				struct pci_dev *drive)
{
	if (pci_p2pdma_distance(provider, &drive->dev, true) >= 0)
		return 0;
	pr_err("%s nsid %u: no p2pmem: %s cannot reach the memory of %s\n",
	       ns->subsys->subsysnqn, ns->nsid, ns->device_path,
	       pci_name(provider));
	return -EREMOTEIO;
}

static int check_namespace(struct nvmet_ns *ns, struct pci_dev **drive)
{
	struct pci_dev *provider;
	int error = 0;

	if (!ns->bdev) {
		pr_err("%s nsid %u: no p2pmem: %s is used as a file; give it a block device and no buffered_io, or set p2pmem to 0\n",
		       ns->subsys->subsysnqn, ns->nsid, ns->device_path);
		return -EOPNOTSUPP;
	}
	*drive = nvmet_p2pmem_check_drive(ns, ns->bdev);
	if (IS_ERR(*drive))
		return PTR_ERR(*drive);
	if (!ns->p2pmem.named)
		return 0;

	provider = named_provider(&ns->p2pmem);
	if (!provider) {
		pr_err("%s nsid %u: no p2pmem: the device that it names is gone or lends none now\n",
		       ns->subsys->subsysnqn, ns->nsid);
		error = -ENODEV;
	} else {
		error = nvmet_p2pmem_check_provider(ns, provider, *drive);
	}
	pci_dev_put(provider);
	if (error)
		pci_dev_put(*drive);
	return error;
}

/**
 * nvmet_p2pmem_enable - a namespace is about to be visible
 * @ns: namespace, its block device or file open
 *
 * Context: subsys->lock held, may sleep.
 * Return: 0, or with a line in the log
 *	-EOPNOTSUPP if its data cannot be in peer memory,
 *	-ENODEV if the provider named is not there or lends nothing,
 *	-EREMOTEIO if the drive does not reach that,
 *	-ENOMEM.
 */
int nvmet_p2pmem_enable(struct nvmet_ns *ns)
{
	struct nvmet_ctrl *ctrl;
	struct pci_dev *drive;
	int error;

	if (!ns->p2pmem.on)
		return 0;
	if (!ns->p2pmem.stats)
		ns->p2pmem.stats = alloc_percpu(struct nvmet_p2pmem_stats);
	if (!ns->p2pmem.stats)
		return -ENOMEM;
	error = check_namespace(ns, &drive);
	if (error)
		return error;

	guard(mutex)(&p2pmem_lock);
	ns->p2pmem.drive = drive;
	list_add_tail(&ns->p2pmem.node, &p2pmem_namespaces);
	list_for_each_entry(ctrl, &p2pmem_ctrls, p2pmem.node)
		if (ctrl->subsys == ns->subsys)
			pci_dev_put(update_choice(ns, ctrl, true));
	return 0;
}

/**
 * nvmet_p2pmem_disable - undo nvmet_p2pmem_enable(), if it was done
 * @ns: namespace without commands
 *
 * Context: subsys->lock held, may sleep.
 */
void nvmet_p2pmem_disable(struct nvmet_ns *ns)
{
	struct nvmet_ctrl *ctrl;

	guard(mutex)(&p2pmem_lock);
	if (!ns->p2pmem.drive)
		return;
	list_for_each_entry(ctrl, &p2pmem_ctrls, p2pmem.node)
		if (ctrl->subsys == ns->subsys)
			drop_choice(ctrl, ns->nsid);
	list_del(&ns->p2pmem.node);
	pci_dev_put(ns->p2pmem.drive);
	ns->p2pmem.drive = NULL;
}

/**
 * nvmet_p2pmem_exit_ns - a disabled namespace goes away
 * @ns: namespace
 */
void nvmet_p2pmem_exit_ns(struct nvmet_ns *ns)
{
	free_percpu(ns->p2pmem.stats);
}

/**
 * nvmet_p2pmem_ctrl_add - a client has connected
 * @ctrl: its controller
 * @client: device that does the DMA of its data, NULL if the CPU moves them
 *
 * Context: subsys->lock held, may sleep.
 */
void nvmet_p2pmem_ctrl_add(struct nvmet_ctrl *ctrl, struct device *client)
{
	struct nvmet_ns *ns;

	xa_init(&ctrl->p2pmem.choices);
	ctrl->p2pmem.client = get_device(client);

	guard(mutex)(&p2pmem_lock);
	list_add_tail(&ctrl->p2pmem.node, &p2pmem_ctrls);
	list_for_each_entry(ns, &p2pmem_namespaces, p2pmem.node)
		if (ns->subsys == ctrl->subsys)
			pci_dev_put(update_choice(ns, ctrl, true));
}

/**
 * nvmet_p2pmem_ctrl_remove - undo nvmet_p2pmem_ctrl_add()
 * @ctrl: controller without queues
 *
 * Context: may sleep.
 */
void nvmet_p2pmem_ctrl_remove(struct nvmet_ctrl *ctrl)
{
	unsigned long nsid;
	void *choice;

	guard(mutex)(&p2pmem_lock);
	list_del(&ctrl->p2pmem.node);
	xa_for_each(&ctrl->p2pmem.choices, nsid, choice)
		drop_choice(ctrl, nsid);
	xa_destroy(&ctrl->p2pmem.choices);
	put_device(ctrl->p2pmem.client);
}

/* ---- commands ---- */

/**
 * nvmet_p2pmem_req_want - a command of a namespace that is on peer memory
 * @req: command that has passed all checks
 *
 * The target itself reads or writes the data of any other commands than reads
 * and writes, which are few and small: they stay in RAM.
 */
void nvmet_p2pmem_req_want(struct nvmet_req *req)
{
	u8 opcode = req->cmd->common.opcode;

	if (!req->sq->qid || nvme_is_fabrics(req->cmd) ||
	    (opcode != nvme_cmd_read && opcode != nvme_cmd_write))
		return;
	req->p2pmem.wanted = true;
	req->p2pmem.ram = NVMET_P2PMEM_RAM_OWN;
}

/*
 * The choice for a command, with a reason to use RAM in place of one that it
 * cannot have.  Caller is in p2pmem_srcu.
 */
static void *req_choice(struct nvmet_req *req)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;

	/* All queues of a controller have one choice, made for the first. */
	if (req->sq->dma_client != ctrl->p2pmem.client)
		return xa_mk_value(NVMET_P2PMEM_RAM_DEVICE);
	return xa_load(&ctrl->p2pmem.choices, req->ns->nsid) ?:
		xa_mk_value(NVMET_P2PMEM_RAM_UNREACHABLE);
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
	struct scatterlist *sg = NULL;
	unsigned int count;
	void *choice;
	int idx;

	idx = srcu_read_lock(&p2pmem_srcu);
	choice = req_choice(req);
	if (xa_is_value(choice)) {
		req->p2pmem.ram = xa_to_value(choice);
		goto unlock;
	}
	sg = pci_p2pmem_alloc_sgl(choice, &count, length);
	if (!sg) {
		req->p2pmem.ram = pci_has_p2pmem(choice) ?
			NVMET_P2PMEM_RAM_POOL : NVMET_P2PMEM_RAM_GONE;
		goto unlock;
	}
	req->sg = sg;
	req->sg_cnt = count;
	req->p2pmem.provider = choice;
unlock:
	srcu_read_unlock(&p2pmem_srcu, idx);
	return sg;
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
	pci_p2pmem_free_sgl(req->p2pmem.provider, req->sg);
	req->p2pmem.provider = NULL;
}
EXPORT_SYMBOL_GPL(nvmet_p2pmem_free);

static void account(struct nvmet_req *req, u64 peer, bool ram)
{
	struct nvmet_p2pmem_stats __percpu *stats = req->ns->p2pmem.stats;

	if (peer) {
		this_cpu_inc(stats->requests);
		this_cpu_add(stats->bytes, peer);
	}
	/* Peer memory of the client's own, on loop, is moved by nobody. */
	if (req->p2pmem.provider && !req->sq->dma_client) {
		this_cpu_inc(stats->cpu_requests);
		this_cpu_add(stats->cpu_bytes, peer);
	}
	if (ram)
		this_cpu_inc(stats->ram[req->p2pmem.ram]);
	if (req->metadata_len)
		this_cpu_inc(stats->ram_metadata);
}

/*
 * The CPU has filled the command's peer memory with posted writes.  Nothing
 * keeps the drive's reads, which come from elsewhere, from overtaking them; a
 * read of our own does not return before they have arrived.
 */
static void flush_to_peer(struct nvmet_req *req)
{
	void *last;

	if (!req->p2pmem.provider || req->sq->dma_client ||
	    req->cmd->rw.opcode != nvme_cmd_write)
		return;
	last = sg_virt(req->sg) + ALIGN_DOWN(req->sg->length - 1, sizeof(u32));
	mb(); /* what write combining holds back goes first */
	readl((void __iomem __force *)last);
}

/**
 * nvmet_p2pmem_start - a read or write is about to be passed on
 * @req: command
 * @opf: flags for the block layer, or NULL if the data go to a file
 *
 * Data in peer memory, whether from here or as the client has them (loop), are
 * refused unless the drive takes them.  Each entry is looked at, as a client's
 * data may be of both kinds.
 *
 * Context: any.
 * Return: 0 or an NVMe status.
 */
u16 nvmet_p2pmem_start(struct nvmet_req *req, blk_opf_t *opf)
{
	struct scatterlist *sg;
	bool ram = false;
	u64 peer = 0;
	int i;

	/* Nobody lends anything, nobody asked: the usual case */
	if (!static_branch_unlikely(&pci_p2pdma_key) && !req->p2pmem.wanted)
		return 0;

	for_each_sg(req->sg, sg, req->sg_cnt, i) {
		if (is_pci_p2pdma_page(sg_page(sg)))
			peer += sg->length;
		else
			ram = true;
	}
	if (peer) {
		if (!opf || !blk_queue_pci_p2pdma(bdev_get_queue(req->ns->bdev)))
			return errno_to_nvme_status(req, -EREMOTEIO);
		flush_to_peer(req);
		/* If there is no route, the I/O of nobody else shall fail */
		*opf |= REQ_NOMERGE;
	}
	if (req->p2pmem.wanted)
		account(req, peer, ram);
	return 0;
}

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

/* ---- what it came to ---- */

static void sum_stats(struct nvmet_ns *ns, struct nvmet_p2pmem_stats *sum)
{
	u64 *to = (u64 *)sum, *from;
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		from = (u64 *)per_cpu_ptr(ns->p2pmem.stats, cpu);
		for (i = 0; i < sizeof(*sum) / sizeof(u64); i++)
			to[i] += READ_ONCE(from[i]);
	}
}

/* No attribute of configfs is longer than 4096, and a line fits behind this */
#define P2PMEM_STATS_MAX	4000

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
	struct nvmet_p2pmem_stats sum = { };
	struct nvmet_ctrl *ctrl;
	ssize_t at;
	void *choice;
	int i;

	lockdep_assert_held(&ns->subsys->lock);
	if (ns->p2pmem.stats)
		sum_stats(ns, &sum);
	at = sysfs_emit(page, "requests %llu\nbytes %llu\n", sum.requests,
			sum.bytes);
	at += sysfs_emit_at(page, at, "cpu_requests %llu\ncpu_bytes %llu\n",
			    sum.cpu_requests, sum.cpu_bytes);
	at += sysfs_emit_at(page, at, "ram_metadata %llu\n",
			    sum.ram_metadata);
	for (i = 0; i < NVMET_P2PMEM_RAM_REASONS; i++)
		at += sysfs_emit_at(page, at, "ram_%s %llu\n",
				    p2pmem_ram_names[i], sum.ram[i]);

	guard(mutex)(&p2pmem_lock);
	list_for_each_entry(ctrl, &p2pmem_ctrls, p2pmem.node) {
		if (ctrl->subsys != ns->subsys)
			continue;
		choice = xa_load(&ctrl->p2pmem.choices, ns->nsid);
		if (!choice)
			continue;
		if (at > P2PMEM_STATS_MAX) {
			at += sysfs_emit_at(page, at, "controller ...\n");
			break;
		}
		at += sysfs_emit_at(page, at, "controller %u %s\n",
				    ctrl->cntlid, xa_is_value(choice) ?
				    p2pmem_ram_names[xa_to_value(choice)] :
				    pci_name(choice));
	}
	return at;
}
