// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who hold peer memory, or chose where to take it from, hear of what
 * changes.
 *
 * The chain is walked under SRCU and not under a lock: a callback may sleep,
 * and may cause events itself.
 */
#include <linux/export.h>
#include <linux/notifier.h>
#include <linux/pci-p2pdma.h>
#include <linux/workqueue.h>

#include "notify.h"

SRCU_NOTIFIER_HEAD_STATIC(chain);

/**
 * pci_p2pdma_register_notifier - hear of changes to providers and routes
 * @nb: its callback gets an enum pci_p2pdma_event and the provider's struct
 *	pci_dev, which is NULL for PCI_P2PDMA_VERDICTS_CHANGED
 *
 * Events of one provider may overtake each other if it goes down again at once:
 * a callback should ask pci_p2pdma_reachable() and not rely on their order.
 *
 * Callbacks run in process context.  They may sleep, but hold up a reset or a
 * removal meanwhile: each has to bound the time that it waits.  The caller may
 * hold the provider's device lock, so they must not take that.
 *
 * Context: process context, may sleep.
 * Return: 0, or with a warning -EEXIST if @nb is registered.
 */
int pci_p2pdma_register_notifier(struct notifier_block *nb)
{
	return srcu_notifier_chain_register(&chain, nb);
}
EXPORT_SYMBOL_GPL(pci_p2pdma_register_notifier);

/**
 * pci_p2pdma_unregister_notifier - stop hearing of changes
 * @nb: what was registered
 *
 * Waits for callbacks that run, so it must not be called by one.
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOENT if @nb is not registered.
 */
int pci_p2pdma_unregister_notifier(struct notifier_block *nb)
{
	return srcu_notifier_chain_unregister(&chain, nb);
}
EXPORT_SYMBOL_GPL(pci_p2pdma_unregister_notifier);

/**
 * p2pdma_notify - tell of an event
 * @event: what happened
 * @pdev: to which provider
 *
 * Context: process context, may sleep; p2pdma_lock is not held.
 */
void p2pdma_notify(enum pci_p2pdma_event event, struct pci_dev *pdev)
{
	srcu_notifier_call_chain(&chain, event, pdev);
}

static void notify_verdicts(struct work_struct *work)
{
	p2pdma_notify(PCI_P2PDMA_VERDICTS_CHANGED, NULL);
}

static DECLARE_WORK(verdicts_work, notify_verdicts);

/**
 * p2pdma_notify_verdicts - tell that verdicts may have changed, soon
 *
 * Several changes in a row make one event.
 *
 * Context: any.
 */
void p2pdma_notify_verdicts(void)
{
	queue_work(system_unbound_wq, &verdicts_work);
}
