// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: whose memory the data of commands are in
 *
 * Who chooses, and when.  For each pair of a controller and an enabled
 * namespace a provider is chosen that both the drive and the controller's
 * client reach: when the controller connects, when the namespace is enabled,
 * and again whenever something has changed that the choice depends on.  Where
 * there is none, the reason is kept in its place; each command whose data are
 * in RAM for that reason is counted under it.
 *
 * A choice is a struct nvmet_p2pmem_use, see p2pmem-use.c.
 *
 * Locks: subsys->lock, then p2pmem_lock.  Commands look choices up under RCU.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/ratelimit.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "nvmet.h"

static const char * const p2pmem_ram_texts[] = {
	[NVMET_P2PMEM_RAM_OWN] =
		"data where the transport has them",
	[NVMET_P2PMEM_RAM_CPU] =
		"data in RAM: the CPU moves this client's data; device_p2pmem_cpu allows that",
	[NVMET_P2PMEM_RAM_UNREACHABLE] =
		"data in RAM: no peer memory that both the drive and the client reach; see debugfs p2pdma/routes",
	[NVMET_P2PMEM_RAM_GONE] =
		"data in RAM: the device chosen, or named in p2pmem, has none now",
	[NVMET_P2PMEM_RAM_DRIVE] =
		"data in RAM: the drive takes no peer memory now, or has the CPU compute protection information, see its integrity/",
	[NVMET_P2PMEM_RAM_OUTAGE] =
		"data in RAM: the memory does not answer now, as its device is being reset or recovered",
};

/* How long a reset waits for commands with memory of what is being reset */
#define DRAIN_TIME	HZ

/* Protects the two lists, choices against other writers, uses with choices */
static DEFINE_MUTEX(p2pmem_lock);
static LIST_HEAD(p2pmem_namespaces);
static LIST_HEAD(p2pmem_ctrls);

/*
 * Does the drive take peer memory now, as it did when the namespace was
 * enabled?  The files in integrity/ can be written at any time, and a reset of
 * an NVMe drive sets them back.
 */
static bool drive_accepts(struct nvmet_ns *ns, struct nvmet_ctrl *ctrl)
{
	if (!blk_queue_pci_p2pdma(bdev_get_queue(ns->bdev)))
		return false;
	return (ctrl->pi_support && nvmet_ns_has_pi(ns)) ||
	       (!bdev_integrity_reads_data(ns->bdev, REQ_OP_READ) &&
		!bdev_integrity_reads_data(ns->bdev, REQ_OP_WRITE));
}

/* ---- the choice for a command ---- */

/*
 * Has an outage interrupted a command of @ctrl within the last second?  What is
 * repeated is in RAM then, whatever has been chosen meanwhile: the host does not
 * repeat for ever.
 */
static bool was_interrupted(struct nvmet_ctrl *ctrl)
{
	unsigned long outage = READ_ONCE(ctrl->p2pmem.outage);

	if (likely(!outage))
		return false;
	if (time_before(jiffies, outage + HZ))
		return true;
	/* Before jiffies wrap, unless there has just been another one */
	cmpxchg(&ctrl->p2pmem.outage, outage, 0);
	return false;
}

/* The choice for a command, or a reason for RAM if it cannot have that */
static void *req_choice(struct nvmet_req *req)
{
	struct nvmet_ctrl *ctrl = req->sq->ctrl;
	struct nvmet_p2pmem_use *use;
	enum nvmet_p2pmem_ram reason;

	/* All queues of a controller have one choice, made for the first. */
	if (req->sq->dma_client != ctrl->p2pmem.client)
		return xa_mk_value(NVMET_P2PMEM_RAM_DEVICE);
	use = xa_load(&ctrl->p2pmem.choices, req->ns->nsid);
	if (!use)
		return xa_mk_value(NVMET_P2PMEM_RAM_UNREACHABLE);
	if (use == xa_mk_value(NVMET_P2PMEM_RAM_DRIVE) &&
	    unlikely(drive_accepts(req->ns, ctrl)))
		nvmet_p2pmem_choose_later(0);
	if (xa_is_value(use))
		return use;
	if (nvmet_p2pmem_use_avoided(use, &reason))
		return xa_mk_value(reason);
	if (was_interrupted(ctrl))
		return xa_mk_value(NVMET_P2PMEM_RAM_OUTAGE);
	return use;
}

/**
 * nvmet_p2pmem_use_get - the provider of memory for a command
 * @req: command that wants it
 *
 * Context: any; the command holds its namespace and its controller.
 * Return: the use, with a reference to be dropped by percpu_ref_put() when the
 * memory was given back; or NULL, with the reason in @req.
 */
struct nvmet_p2pmem_use *nvmet_p2pmem_use_get(struct nvmet_req *req)
{
	struct nvmet_p2pmem_use *use;

	guard(rcu)();
	do {
		use = req_choice(req);
		if (xa_is_value(use)) {
			req->p2pmem.ram = xa_to_value(use);
			return NULL;
		}
		/* One that was just killed is not chosen any more. */
	} while (!percpu_ref_tryget_live(&use->commands));
	return use;
}

/* ---- which memory ---- */

/* When to look again for a name while slots are being reset */
#define NAME_RETRY	(HZ / 4)

/* Why not the provider that was to be it, which may be NULL */
static enum nvmet_p2pmem_ram why_not(struct pci_dev *provider)
{
	if (!provider)
		return NVMET_P2PMEM_RAM_UNREACHABLE;
	if (!pci_has_p2pmem(provider))
		return NVMET_P2PMEM_RAM_GONE;
	return pci_p2pdma_reachable(provider) ? NVMET_P2PMEM_RAM_UNREACHABLE :
						NVMET_P2PMEM_RAM_OUTAGE;
}

/*
 * Data in a drive's own CMB and metadata in RAM: few drives take that (CMBLOC,
 * CDMMMS), and which do only their driver knows.
 */
static bool own_is_refused(struct nvmet_ns *ns, struct pci_dev *provider)
{
	return bdev_get_integrity(ns->bdev) &&
	       nvmet_p2pmem_drives_have(&ns->p2pmem.drives, provider);
}

/* The present choice of a controller, if it is good and has memory left */
static struct pci_dev *keep_good_provider(struct nvmet_p2pmem_use *use,
					  struct device **clients, int count)
{
	if (!use || !pci_has_p2pmem(use->provider) ||
	    nvmet_p2pmem_use_is_exhausted(use) ||
	    pci_p2pdma_distance_many(use->provider, clients, count, false) < 0)
		return NULL;
	return pci_dev_get(use->provider);
}

/* The provider that the administrator named, if all @clients reach it */
static struct pci_dev *choose_named(struct nvmet_ns *ns,
				    struct device **clients, int count,
				    struct nvmet_p2pmem_use *now, bool verbose,
				    enum nvmet_p2pmem_ram *reason)
{
	struct pci_dev *provider = pci_p2pmem_find_named(ns->p2pmem.named);

	*reason = NVMET_P2PMEM_RAM_GONE;
	if (IS_ERR(provider)) {
		nvmet_p2pmem_choose_later(NAME_RETRY);
		return keep_good_provider(now, clients, count);
	}
	if (!provider)
		return NULL;
	*reason = why_not(provider);
	if (!own_is_refused(ns, provider) &&
	    pci_p2pdma_distance_many(provider, clients, count, verbose) >= 0)
		return provider;
	pci_dev_put(provider);
	return NULL;
}

/* The closest provider but the drives themselves, for what is rare */
static struct pci_dev *find_other(struct nvmet_ns *ns,
				  struct device **clients, int count)
{
	struct pci_dev *pdev = NULL, *closest = NULL;
	int distance, best = INT_MAX;

	for_each_pci_dev(pdev) {
		if (own_is_refused(ns, pdev) || !pci_has_p2pmem(pdev))
			continue;
		distance = pci_p2pdma_distance_many(pdev, clients, count, false);
		if (distance < 0 || distance >= best)
			continue;
		pci_dev_put(closest);
		closest = pci_dev_get(pdev);
		best = distance;
	}
	return closest;
}

static void remember_away(struct nvmet_ns *ns, struct pci_dev *provider)
{
	pci_dev_get(provider);
	pci_dev_put(ns->p2pmem.away);
	ns->p2pmem.away = provider;
}

/*
 * Will @clients reach @provider again when its outage ends?  There is no verdict
 * before that, but the topology says as much.
 */
static bool is_back_soon(struct nvmet_ns *ns, struct pci_dev *provider,
			 struct device **clients, int count)
{
	int i;

	if (why_not(provider) != NVMET_P2PMEM_RAM_OUTAGE ||
	    own_is_refused(ns, provider))
		return false;
	for (i = 0; i < count; i++)
		if (pci_p2pdma_tlp_type(provider, clients[i],
					PCI_P2PDMA_TLP_REQUEST) ==
		    PCI_P2PDMA_MAP_NOT_SUPPORTED)
			return false;
	return true;
}

/*
 * Why there is no provider for these @clients, of whom @had says whether they
 * may have had one.  What is away for others may be nothing to them; and one
 * that has been in an outage since before they came was never chosen.
 */
static enum nvmet_p2pmem_ram why_none(struct nvmet_ns *ns,
				      struct device **clients, int count,
				      bool had)
{
	struct pci_dev *away = ns->p2pmem.away, *pdev = NULL;

	if (had && why_not(away) == NVMET_P2PMEM_RAM_GONE)
		return NVMET_P2PMEM_RAM_GONE;
	if (away && is_back_soon(ns, away, clients, count))
		return NVMET_P2PMEM_RAM_OUTAGE;
	for_each_pci_dev(pdev) {
		if (!is_back_soon(ns, pdev, clients, count))
			continue;
		pci_dev_put(pdev);
		return NVMET_P2PMEM_RAM_OUTAGE;
	}
	return NVMET_P2PMEM_RAM_UNREACHABLE;
}

/* Any provider that all @clients reach, that of @old if that is good */
static struct pci_dev *choose_any(struct nvmet_ns *ns, struct device **clients,
				  int count, void *old,
				  enum nvmet_p2pmem_ram *reason)
{
	struct nvmet_p2pmem_use *now = xa_is_value(old) ? NULL : old;
	/* Who is new may have missed one that has just gone, too. */
	bool had = old != xa_mk_value(NVMET_P2PMEM_RAM_UNREACHABLE);
	struct pci_dev *provider;

	if (now && why_not(now->provider) != NVMET_P2PMEM_RAM_UNREACHABLE)
		remember_away(ns, now->provider);
	provider = keep_good_provider(now, clients, count) ?:
		   pci_p2pmem_find_many(clients, count);
	if (provider && own_is_refused(ns, provider)) {
		pci_dev_put(provider);
		provider = find_other(ns, clients, count);
	}
	if (!provider)
		*reason = why_none(ns, clients, count, had);
	return provider;
}

/*
 * Choose for one controller and namespace.  @old is the present choice, a use
 * that stays while it is good, or a reason for RAM, or NULL.  Returns a provider
 * with a reference, or NULL and sets @reason.
 */
static struct pci_dev *choose(struct nvmet_ns *ns, struct nvmet_ctrl *ctrl,
			      void *old, bool verbose,
			      enum nvmet_p2pmem_ram *reason)
{
	struct nvmet_p2pmem_use *now = xa_is_value(old) ? NULL : old;
	struct device *clients[NVMET_P2PMEM_DRIVES + 1];
	int count;

	/* Members of what it is on may have come and gone */
	nvmet_p2pmem_drives_update(&ns->p2pmem.drives, ns->bdev);
	for (count = 0; count < ns->p2pmem.drives.count; count++)
		clients[count] = &ns->p2pmem.drives.function[count]->dev;
	if (ctrl->p2pmem.function)
		clients[count++] = &ctrl->p2pmem.function->dev;
	if (ctrl->p2pmem.own)
		*reason = NVMET_P2PMEM_RAM_OWN;
	else if (!ctrl->p2pmem.client && !ns->p2pmem.cpu)
		*reason = NVMET_P2PMEM_RAM_CPU;
	else if (ctrl->p2pmem.client && !ctrl->p2pmem.function)
		*reason = NVMET_P2PMEM_RAM_UNREACHABLE;
	else if (!drive_accepts(ns, ctrl))
		*reason = NVMET_P2PMEM_RAM_DRIVE;
	else if (ns->p2pmem.named)
		return choose_named(ns, clients, count, now, verbose, reason);
	else
		return choose_any(ns, clients, count, old, reason);
	return NULL;
}

/*
 * A line for each change of what a namespace is served from, not for each
 * controller that it concerns.  Of many in a short time the last one is logged
 * in any case, if only after a while.
 */
static void log_choice(struct nvmet_ns *ns, struct nvmet_ctrl *ctrl,
		       void *choice)
{
	const struct nvmet_p2pmem_use *use = choice;
	const char *nqn = ns->subsys->subsysnqn;
	bool value = xa_is_value(choice);
	const void *now = value ? choice : use->provider;

	if (now != ns->p2pmem.logged && !__ratelimit(&ns->p2pmem.log_limit)) {
		ns->p2pmem.unlogged = true;
		nvmet_p2pmem_choose_later(DEFAULT_RATELIMIT_INTERVAL);
		return;
	}
	ns->p2pmem.unlogged = false;
	if (now == ns->p2pmem.logged)
		return;
	ns->p2pmem.logged = now;
	if (value)
		pr_info("%s nsid %u, controller %u: %s\n", nqn, ns->nsid,
			ctrl->cntlid, p2pmem_ram_texts[xa_to_value(choice)]);
	else
		pr_info("%s nsid %u, controller %u: data in memory of %s%s\n",
			nqn, ns->nsid, ctrl->cntlid, pci_name(use->provider),
			ctrl->p2pmem.client ? "" : ", moved by the CPU");
}

/* Put @new, which is not @old, in the place of it. */
static int set_choice(struct nvmet_ns *ns, struct nvmet_ctrl *ctrl, void *old,
		      void *new)
{
	int error = xa_err(xa_store(&ctrl->p2pmem.choices, ns->nsid, new,
				    GFP_NOIO));

	if (error)
		return error;
	if (old && !xa_is_value(old))
		nvmet_p2pmem_use_drop(old);
	log_choice(ns, ctrl, new);
	return 0;
}

static void update_choice(struct nvmet_ns *ns, struct nvmet_ctrl *ctrl,
			  bool verbose)
{
	void *new, *old = xa_load(&ctrl->p2pmem.choices, ns->nsid);
	struct nvmet_p2pmem_use *use = NULL;
	enum nvmet_p2pmem_ram reason;
	struct pci_dev *provider;
	int error = 0;

	lockdep_assert_held(&p2pmem_lock);
	provider = choose(ns, ctrl, old, verbose, &reason);
	if (provider) {
		use = nvmet_p2pmem_use_choose(ctrl, provider);
		error = use ? 0 : -ENOMEM;
	}
	new = use ?: xa_mk_value(reason);
	if (!error && new != old)
		error = set_choice(ns, ctrl, old, new);
	else if (!error && ns->p2pmem.unlogged)
		log_choice(ns, ctrl, new);
	if (error)
		pr_err("%s nsid %u, controller %u: choice of memory stays as it was: error %d\n",
		       ns->subsys->subsysnqn, ns->nsid, ctrl->cntlid, error);
	if ((error || new == old) && use)
		nvmet_p2pmem_use_drop(use);
}

static void drop_choice(struct nvmet_ctrl *ctrl, u32 nsid)
{
	void *old = xa_erase(&ctrl->p2pmem.choices, nsid);

	if (old && !xa_is_value(old))
		nvmet_p2pmem_use_drop(old);
}

/* ---- devices come and go ---- */

static void rechoose(void)
{
	struct nvmet_ctrl *ctrl;
	struct nvmet_ns *ns;

	lockdep_assert_held(&p2pmem_lock);
	list_for_each_entry(ns, &p2pmem_namespaces, p2pmem.node)
		list_for_each_entry(ctrl, &p2pmem_ctrls, p2pmem.node)
			if (ctrl->subsys == ns->subsys)
				update_choice(ns, ctrl, false);
}

static void p2pmem_rechoose(struct work_struct *work)
{
	guard(mutex)(&p2pmem_lock);
	rechoose();
}

static DECLARE_DELAYED_WORK(p2pmem_rechoose_work, p2pmem_rechoose);

/**
 * nvmet_p2pmem_choose_later - have all choices looked at again
 * @delay: in how many jiffies; 0 for as soon as possible
 *
 * Context: any.
 */
void nvmet_p2pmem_choose_later(unsigned long delay)
{
	if (delay)
		queue_delayed_work(nvmet_wq, &p2pmem_rechoose_work, delay);
	else
		mod_delayed_work(nvmet_wq, &p2pmem_rechoose_work, 0);
}

/* Nobody has @provider chosen any more: data in RAM for now, for @reason. */
static void abandon(struct pci_dev *provider, enum nvmet_p2pmem_ram reason)
{
	struct nvmet_p2pmem_use *use;
	struct nvmet_ctrl *ctrl;
	struct nvmet_ns *ns;

	lockdep_assert_held(&p2pmem_lock);
	list_for_each_entry(ns, &p2pmem_namespaces, p2pmem.node) {
		list_for_each_entry(ctrl, &p2pmem_ctrls, p2pmem.node) {
			if (ctrl->subsys != ns->subsys)
				continue;
			use = xa_load(&ctrl->p2pmem.choices, ns->nsid);
			if (!use || xa_is_value(use) || use->provider != provider)
				continue;
			remember_away(ns, provider);
			/* Where there is an entry no memory is needed. */
			set_choice(ns, ctrl, use, xa_mk_value(reason));
		}
	}
	nvmet_p2pmem_choose_later(0);
}

/*
 * A provider is about to be out of reach.  What is not over in time fails when
 * it is: the provider counts its outages.
 */
static void provider_down(struct pci_dev *provider)
{
	scoped_guard(mutex, &p2pmem_lock)
		abandon(provider, NVMET_P2PMEM_RAM_OUTAGE);
	nvmet_p2pmem_uses_wait(provider, DRAIN_TIME);
}

/* It takes back its memory, or a part of it: all uses of it have to end. */
static void resource_removed(struct pci_dev *provider)
{
	scoped_guard(mutex, &p2pmem_lock)
		abandon(provider, NVMET_P2PMEM_RAM_GONE);
	nvmet_p2pmem_uses_begin_grace(provider);
}

static int p2pmem_notify(struct notifier_block *nb, unsigned long event,
			 void *provider)
{
	switch (event) {
	case PCI_P2PDMA_PROVIDER_DOWN:
		provider_down(provider);
		break;
	case PCI_P2PDMA_RESOURCE_REMOVED:
		resource_removed(provider);
		break;
	case PCI_P2PDMA_PROVIDER_UP:
	case PCI_P2PDMA_VERDICTS_CHANGED:
	case PCI_P2PDMA_PUBLISHED:
	case PCI_P2PDMA_UNPUBLISHED:
		nvmet_p2pmem_choose_later(0);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block p2pmem_notifier = {
	.notifier_call = p2pmem_notify,
};

int nvmet_p2pmem_init(void)
{
	int error = pci_p2pdma_register_notifier(&p2pmem_notifier);

	if (!error)
		nvmet_p2pmem_uses_init();
	return error;
}

void nvmet_p2pmem_exit(void)
{
	pci_p2pdma_unregister_notifier(&p2pmem_notifier);
	cancel_delayed_work_sync(&p2pmem_rechoose_work);
	nvmet_p2pmem_uses_exit();
}

/* ---- namespaces and controllers ---- */

static int check_namespace(struct nvmet_ns *ns,
			   struct nvmet_p2pmem_drives *drives)
{
	struct pci_dev *provider;
	int error = 0;

	if (!ns->bdev) {
		pr_err("%s nsid %u: no p2pmem: %s is used as a file; give it a block device and no buffered_io, or set p2pmem to 0\n",
		       ns->subsys->subsysnqn, ns->nsid, ns->device_path);
		return -EOPNOTSUPP;
	}
	error = nvmet_p2pmem_check_drives(ns, ns->bdev, drives);
	if (error)
		return error;
	if (!ns->p2pmem.named)
		return 0;

	/* One that is away just now is taken up when it appears. */
	provider = pci_p2pmem_find_named(ns->p2pmem.named);
	if (IS_ERR(provider))
		return 0;
	if (provider)
		error = nvmet_p2pmem_check_provider(ns, provider, drives);
	pci_dev_put(provider);
	if (error)
		nvmet_p2pmem_drives_put(drives);
	return error;
}

/**
 * nvmet_p2pmem_enable - a namespace is about to be visible
 * @ns: namespace, its block device or file open
 *
 * Context: subsys->lock held, may sleep.
 * Return: 0, or with a line in the log
 *	-EOPNOTSUPP if its data cannot be in peer memory,
 *	-EREMOTEIO if the drive does not reach the provider named,
 *	-ENOMEM.
 */
int nvmet_p2pmem_enable(struct nvmet_ns *ns)
{
	struct nvmet_p2pmem_drives drives;
	struct nvmet_ctrl *ctrl;
	int error;

	if (!ns->p2pmem.on)
		return 0;
	if (!ns->p2pmem.stats)
		ns->p2pmem.stats = nvmet_p2pmem_stats_alloc();
	if (!ns->p2pmem.stats)
		return -ENOMEM;
	error = check_namespace(ns, &drives);
	if (error)
		return error;

	guard(mutex)(&p2pmem_lock);
	ns->p2pmem.drives = drives;
	ns->p2pmem.enabled = true;
	ns->p2pmem.logged = NULL;
	ns->p2pmem.unlogged = false;
	ratelimit_default_init(&ns->p2pmem.log_limit);
	ratelimit_set_flags(&ns->p2pmem.log_limit, RATELIMIT_MSG_ON_RELEASE);
	list_add_tail(&ns->p2pmem.node, &p2pmem_namespaces);
	list_for_each_entry(ctrl, &p2pmem_ctrls, p2pmem.node)
		if (ctrl->subsys == ns->subsys)
			update_choice(ns, ctrl, true);
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
	if (!ns->p2pmem.enabled)
		return;
	list_for_each_entry(ctrl, &p2pmem_ctrls, p2pmem.node)
		if (ctrl->subsys == ns->subsys)
			drop_choice(ctrl, ns->nsid);
	list_del(&ns->p2pmem.node);
	pci_dev_put(ns->p2pmem.away);
	ns->p2pmem.away = NULL;
	nvmet_p2pmem_drives_put(&ns->p2pmem.drives);
	ns->p2pmem.enabled = false;
}

/**
 * nvmet_p2pmem_ctrl_add - a client has connected
 * @ctrl: its controller
 * @client: device that does the DMA of its data, NULL if the CPU moves them;
 *	the caller keeps it registered meanwhile
 *
 * What does the DMA is held from here on: a device that is unregistered lets
 * go of its parent, which a choice would still walk to.
 *
 * Context: subsys->lock held, may sleep.
 */
void nvmet_p2pmem_ctrl_add(struct nvmet_ctrl *ctrl, struct device *client)
{
	struct nvmet_ns *ns;

	xa_init(&ctrl->p2pmem.choices);
	INIT_LIST_HEAD(&ctrl->p2pmem.uses);
	ctrl->p2pmem.own = ctrl->ops->flags & NVMF_OWN_MEMORY;
	ctrl->p2pmem.client = get_device(client);
	ctrl->p2pmem.function = nvmet_p2pmem_function_get(client);

	guard(mutex)(&p2pmem_lock);
	list_add_tail(&ctrl->p2pmem.node, &p2pmem_ctrls);
	list_for_each_entry(ns, &p2pmem_namespaces, p2pmem.node)
		if (ns->subsys == ctrl->subsys)
			update_choice(ns, ctrl, true);
}

/**
 * nvmet_p2pmem_ctrl_remove - undo nvmet_p2pmem_ctrl_add()
 * @ctrl: controller without queues and references
 *
 * Context: may sleep.
 */
void nvmet_p2pmem_ctrl_remove(struct nvmet_ctrl *ctrl)
{
	unsigned long nsid;
	void *choice;

	scoped_guard(mutex, &p2pmem_lock) {
		list_del(&ctrl->p2pmem.node);
		xa_for_each(&ctrl->p2pmem.choices, nsid, choice)
			drop_choice(ctrl, nsid);
	}
	nvmet_p2pmem_uses_drop_ctrl(ctrl);
	xa_destroy(&ctrl->p2pmem.choices);
	nvmet_p2pmem_function_put(ctrl->p2pmem.function);
	put_device(ctrl->p2pmem.client);
}

/* No attribute of configfs is longer than 4096, and a line fits behind this */
#define P2PMEM_STATS_MAX	4000

/**
 * nvmet_p2pmem_print_choices - where the data of a namespace's controllers are
 * @ns: namespace
 * @page: where to print, a page
 * @at: behind what is there
 *
 * Context: may sleep.
 * Return: number of characters on @page.
 */
ssize_t nvmet_p2pmem_print_choices(struct nvmet_ns *ns, char *page, ssize_t at)
{
	struct nvmet_p2pmem_use *use;
	struct nvmet_ctrl *ctrl;

	guard(mutex)(&p2pmem_lock);
	list_for_each_entry(ctrl, &p2pmem_ctrls, p2pmem.node) {
		if (ctrl->subsys != ns->subsys)
			continue;
		use = xa_load(&ctrl->p2pmem.choices, ns->nsid);
		if (!use)
			continue;
		if (at > P2PMEM_STATS_MAX) {
			at += sysfs_emit_at(page, at, "controller ...\n");
			break;
		}
		at += sysfs_emit_at(page, at, "controller %u %s\n",
				    ctrl->cntlid, xa_is_value(use) ?
				    nvmet_p2pmem_ram_names[xa_to_value(use)] :
				    pci_name(use->provider));
	}
	return at;
}
