// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: who has memory of which provider
 *
 * What a controller has chosen for one or more of its namespaces is a struct
 * nvmet_p2pmem_use; p2pmem-choice.c chooses.  Each command with memory of it
 * holds a reference.  A use that no namespace has chosen any more is killed: no
 * command gets memory by it, and with the last command's memory it ends.  It
 * holds a reference on the provider's struct pci_dev, no more, and does not hold
 * up the unbinding of its driver; commands do, each for its own duration.
 *
 * A client that neither sends nor takes the data of a command keeps that memory.
 * When a provider takes its memory back, the controllers of uses that have not
 * ended p2pmem_grace seconds later are failed, as if the client had broken the
 * protocol: its connections end, and with them the commands.
 *
 * Commands find a use under RCU.  It is freed a grace period after it was killed,
 * as its percpu_ref takes one to switch to a single counter.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/cleanup.h>
#include <linux/jiffies.h>
#include <linux/llist.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "nvmet.h"

#define GRACE_MAX	(24 * 60 * 60)

static unsigned int p2pmem_grace = 10;

/*
 * Protects this list of uses that were killed; taken in any context.  Keeps the
 * controllers in it, see nvmet_p2pmem_uses_drop_ctrl().
 */
static DEFINE_SPINLOCK(p2pmem_ending_lock);
static LIST_HEAD(p2pmem_ending);

static DECLARE_WAIT_QUEUE_HEAD(p2pmem_ended);

/* ---- the end of a use ---- */

static LLIST_HEAD(p2pmem_freed);

static void p2pmem_free_uses(struct work_struct *work)
{
	struct nvmet_p2pmem_use *use, *next;

	llist_for_each_entry_safe(use, next, llist_del_all(&p2pmem_freed),
				  freed) {
		percpu_ref_exit(&use->commands);
		pci_dev_put(use->provider);
		kfree(use);
	}
}

static DECLARE_WORK(p2pmem_free_work, p2pmem_free_uses);

/* percpu_ref release: any context; @use is not to be touched after that. */
static void use_ended(struct percpu_ref *commands)
{
	struct nvmet_p2pmem_use *use =
		container_of(commands, struct nvmet_p2pmem_use, commands);

	scoped_guard(spinlock_irqsave, &p2pmem_ending_lock)
		list_del(&use->node);
	wake_up_all(&p2pmem_ended);
	llist_add(&use->freed, &p2pmem_freed);
	queue_work(nvmet_wq, &p2pmem_free_work);
}

static bool all_ended(struct pci_dev *provider)
{
	struct nvmet_p2pmem_use *use;

	guard(spinlock_irqsave)(&p2pmem_ending_lock);
	list_for_each_entry(use, &p2pmem_ending, node)
		if (use->provider == provider)
			return false;
	return true;
}

/**
 * nvmet_p2pmem_uses_wait - wait for commands with memory of a provider
 * @provider: provider that nobody has chosen any more
 * @timeout: how long at most, in jiffies
 *
 * Context: may sleep.
 */
void nvmet_p2pmem_uses_wait(struct pci_dev *provider, unsigned long timeout)
{
	wait_event_timeout(p2pmem_ended, all_ended(provider), timeout);
}

/* ---- those who do not let go ---- */

static unsigned long grace_time(void)
{
	return READ_ONCE(p2pmem_grace) * (unsigned long)HZ;
}

/*
 * A controller that has kept memory of a @provider that goes for too long, both
 * with a reference; or NULL and sets @next to when to look again, 0 if nothing
 * is left.
 */
static struct nvmet_ctrl *overdue_ctrl(struct pci_dev **provider,
				       unsigned long *next)
{
	unsigned long age, grace = grace_time();
	struct nvmet_p2pmem_use *use;

	guard(spinlock_irqsave)(&p2pmem_ending_lock);
	*next = 0;
	list_for_each_entry(use, &p2pmem_ending, node) {
		if (!use->going || !use->ctrl || use->failed)
			continue;
		age = jiffies - use->since;
		if (age < grace) {
			*next = min_not_zero(*next, grace - age);
			continue;
		}
		use->failed = true;
		/* If it has none, its connections have ended. */
		if (kref_get_unless_zero(&use->ctrl->ref)) {
			*provider = pci_dev_get(use->provider);
			return use->ctrl;
		}
	}
	return NULL;
}

static void p2pmem_fail_overdue(struct work_struct *work)
{
	struct pci_dev *provider;
	struct nvmet_ctrl *ctrl;
	unsigned long next;

	while ((ctrl = overdue_ctrl(&provider, &next))) {
		pr_warn("%s: controller %u of host %s keeps memory of %s, which is going: failing it\n",
			ctrl->subsys->subsysnqn, ctrl->cntlid, ctrl->hostnqn,
			pci_name(provider));
		pci_dev_put(provider);
		nvmet_ctrl_fatal_error(ctrl);
		nvmet_ctrl_put(ctrl);
	}
	/* Somebody may have queued it meanwhile, for later. */
	if (next)
		mod_delayed_work(nvmet_wq, to_delayed_work(work), next);
}

static DECLARE_DELAYED_WORK(p2pmem_overdue_work, p2pmem_fail_overdue);

/*
 * Whether there is nvmet_wq.  Under the lock of the module's parameters, which
 * may be written before it is initialised and while it exits.
 */
static bool p2pmem_has_wq;

static void set_has_wq(bool has)
{
	kernel_param_lock(THIS_MODULE);
	p2pmem_has_wq = has;
	kernel_param_unlock(THIS_MODULE);
}

static int set_grace(const char *val, const struct kernel_param *kp)
{
	int error = param_set_uint_minmax(val, kp, 0, GRACE_MAX);

	/* For those who wait already */
	if (!error && p2pmem_has_wq)
		mod_delayed_work(nvmet_wq, &p2pmem_overdue_work, 0);
	return error;
}

static const struct kernel_param_ops grace_ops = {
	.set = set_grace,
	.get = param_get_uint,
};

module_param_cb(p2pmem_grace, &grace_ops, &p2pmem_grace, 0644);
MODULE_PARM_DESC(p2pmem_grace,
		 "seconds that a client may keep memory of a device that goes, at most 86400 (default 10)");

/**
 * nvmet_p2pmem_uses_begin_grace - a provider unregisters memory
 * @provider: provider; nobody has any use of it chosen that was there before
 *
 * The clients' time begins.
 *
 * Context: any.
 */
void nvmet_p2pmem_uses_begin_grace(struct pci_dev *provider)
{
	struct nvmet_p2pmem_use *use;

	scoped_guard(spinlock_irqsave, &p2pmem_ending_lock) {
		list_for_each_entry(use, &p2pmem_ending, node) {
			if (use->provider != provider)
				continue;
			use->going = true;
			use->since = jiffies;
		}
	}
	queue_delayed_work(nvmet_wq, &p2pmem_overdue_work, grace_time());
}

/**
 * nvmet_p2pmem_uses_drop_ctrl - a controller goes, nobody shall fail it
 * @ctrl: controller without choices, and without references
 *
 * Context: any.
 */
void nvmet_p2pmem_uses_drop_ctrl(struct nvmet_ctrl *ctrl)
{
	struct nvmet_p2pmem_use *use;

	guard(spinlock_irqsave)(&p2pmem_ending_lock);
	list_for_each_entry(use, &p2pmem_ending, node)
		if (use->ctrl == ctrl)
			use->ctrl = NULL;
}

/* ---- choices ---- */

/**
 * nvmet_p2pmem_use_choose - a provider is chosen for one more namespace
 * @ctrl: controller
 * @provider: provider, whose reference is taken over
 *
 * GFP_NOIO, as I/O may have to wait for whoever waits for the caller's lock.
 *
 * Context: may sleep; nobody else changes choices of @ctrl.
 * Return: the use, or NULL if memory is short.
 */
struct nvmet_p2pmem_use *nvmet_p2pmem_use_choose(struct nvmet_ctrl *ctrl,
						 struct pci_dev *provider)
{
	struct nvmet_p2pmem_use *use;

	list_for_each_entry(use, &ctrl->p2pmem.uses, node) {
		if (use->provider == provider) {
			pci_dev_put(provider);
			use->choices++;
			return use;
		}
	}
	use = kzalloc(sizeof(*use), GFP_NOIO);
	if (use && !percpu_ref_init(&use->commands, use_ended, 0, GFP_NOIO)) {
		use->provider = provider;
		use->ctrl = ctrl;
		use->choices = 1;
		list_add(&use->node, &ctrl->p2pmem.uses);
		return use;
	}
	kfree(use);
	pci_dev_put(provider);
	return NULL;
}

/**
 * nvmet_p2pmem_use_drop - one namespace less has chosen this
 * @use: use; nobody finds it as a choice, if this was the last one
 *
 * Context: may sleep; nobody else changes choices of its controller.
 */
void nvmet_p2pmem_use_drop(struct nvmet_p2pmem_use *use)
{
	if (--use->choices)
		return;
	scoped_guard(spinlock_irqsave, &p2pmem_ending_lock)
		list_move_tail(&use->node, &p2pmem_ending);
	percpu_ref_kill(&use->commands);
}

/* ---- leaving a provider alone ---- */

static bool avoided_for(const struct nvmet_p2pmem_use *use, unsigned long time)
{
	return time_before(jiffies, READ_ONCE(use->avoided) + time);
}

/**
 * nvmet_p2pmem_use_avoided - has a provider to be left alone?
 * @use: use
 * @reason: set to the reason if it has to be
 *
 * Context: any.
 * Return: whether commands have to use RAM.
 */
bool nvmet_p2pmem_use_avoided(const struct nvmet_p2pmem_use *use,
			      enum nvmet_p2pmem_ram *reason)
{
	/* Pairs with nvmet_p2pmem_use_avoid() */
	unsigned int avoid = smp_load_acquire(&use->avoid);

	if (likely(!avoid) || avoid == NVMET_P2PMEM_RAM_POOL + 1 ||
	    !avoided_for(use, HZ))
		return false;
	*reason = avoid - 1;
	return true;
}

/**
 * nvmet_p2pmem_use_avoid - leave a provider alone for a second
 * @use: use that did not work
 * @reason: counted for commands that use RAM meanwhile
 *
 * The choices are made anew; if but the pool was used up, that is all, and not
 * before a second is over.  That does not go before another reason.
 *
 * Context: any; the caller has a reference on @use.
 */
void nvmet_p2pmem_use_avoid(struct nvmet_p2pmem_use *use,
			    enum nvmet_p2pmem_ram reason)
{
	enum nvmet_p2pmem_ram before;

	/* Who finds the pool used up has not seen more than that. */
	if (reason == NVMET_P2PMEM_RAM_POOL &&
	    nvmet_p2pmem_use_avoided(use, &before))
		return;
	WRITE_ONCE(use->avoided, jiffies);
	/* Pairs with nvmet_p2pmem_use_avoided(): the reason after the time */
	smp_store_release(&use->avoid, reason + 1);
	nvmet_p2pmem_choose_later(reason == NVMET_P2PMEM_RAM_POOL ? HZ : 0);
}

/**
 * nvmet_p2pmem_use_is_exhausted - was a provider's pool used up not long ago?
 * @use: use
 *
 * Context: any.
 * Return: whether another provider would be better.
 */
bool nvmet_p2pmem_use_is_exhausted(const struct nvmet_p2pmem_use *use)
{
	return READ_ONCE(use->avoid) == NVMET_P2PMEM_RAM_POOL + 1 &&
	       avoided_for(use, 2 * HZ);
}

/**
 * nvmet_p2pmem_uses_init - before there is any use
 *
 * Context: may sleep; nvmet_wq is there.
 */
void nvmet_p2pmem_uses_init(void)
{
	set_has_wq(true);
}

/**
 * nvmet_p2pmem_uses_exit - the last uses end
 *
 * Context: may sleep; nobody has any use chosen, or memory.
 */
void nvmet_p2pmem_uses_exit(void)
{
	set_has_wq(false);
	/* percpu_refs that were killed, those of counters among them */
	rcu_barrier();
	cancel_delayed_work_sync(&p2pmem_overdue_work);
	flush_work(&p2pmem_free_work);
}
