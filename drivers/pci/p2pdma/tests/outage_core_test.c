// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of what the PCI core says of outages: resets, error recovery,
 * removal, and memory decoding.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>

#include "../../pci.h"
#include "../hooks.h"
#include "fabric.h"
#include "provider.h"

#define ENABLED	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

/*
 *	root port
 *	    |
 *	 upstream
 *	  /    \
 *	d0     d1
 *	 |	|
 *  provider  other
 */
struct scene {
	struct notifier_block nb;
	struct pci_dev *up;
	struct pci_dev *port;
	struct fabric_fn *fn;
	struct pci_dev *pdev;
	struct pci_dev *other;
	unsigned long since;
	int downs;
	int ups;
	bool decoded;			/* when it was told that it goes down */
	bool reached;			/* while it was reset */
};

static struct scene *now;		/* for callbacks that get nothing else */

static int notifier_called(struct notifier_block *nb, unsigned long event, void *data)
{
	struct scene *s = container_of(nb, struct scene, nb);
	u16 command;

	if (data != s->pdev)
		return NOTIFY_DONE;
	if (event == PCI_P2PDMA_PROVIDER_DOWN) {
		pci_read_config_word(s->pdev, PCI_COMMAND, &command);
		s->decoded = command & PCI_COMMAND_MEMORY;
		s->downs++;
	} else if (event == PCI_P2PDMA_PROVIDER_UP) {
		s->ups++;
	}
	return NOTIFY_OK;
}

static void listener_remove(void *nb)
{
	pci_p2pdma_unregister_notifier(nb);
}

static struct scene *scene(struct kunit *test)
{
	struct scene *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *sw, *other;

	KUNIT_ASSERT_NOT_NULL(test, s);
	sw = switch_under(root_port(host_bridge(fabric)), 2);
	s->fn = endpoint_under(downstream(sw, 0));
	other = endpoint_under(downstream(sw, 1));
	fabric_scan(fabric);
	s->up = sw->pdev;
	s->port = downstream(sw, 0)->pdev;
	s->pdev = s->fn->pdev;
	s->other = other->pdev;
	provider_register(test, s->fn);
	provider_register(test, other);
	pci_write_config_word(s->up, PCI_COMMAND, ENABLED);
	pci_write_config_word(s->port, PCI_COMMAND, ENABLED);
	pci_write_config_word(s->pdev, PCI_COMMAND, ENABLED);
	s->nb.notifier_call = notifier_called;
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_register_notifier(&s->nb));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, listener_remove,
							   &s->nb));
	s->since = pci_p2pdma_outages();
	now = s;
	return s;
}

static void expect(struct kunit *test, struct scene *s, bool reachable)
{
	void *addr = pci_alloc_p2pmem(s->pdev, PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, pci_p2pdma_reachable(s->pdev), reachable);
	KUNIT_EXPECT_EQ(test, !!addr, reachable);
	if (addr)
		pci_free_p2pmem(s->pdev, addr, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev, s->since));
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->other, s->since));
}

/* ---- resets ---- */

/* Users are told while the memory is still decoded. */
static void core_reset(struct kunit *test)
{
	struct scene *s = scene(test);

	KUNIT_ASSERT_EQ(test, 0, pci_reset_function(s->pdev));
	expect(test, s, true);
	KUNIT_EXPECT_EQ(test, s->downs, 1);
	KUNIT_EXPECT_EQ(test, s->ups, 1);
	KUNIT_EXPECT_TRUE(test, s->decoded);
}

/* A driver's own way. */
static void core_reset_above(struct kunit *test)
{
	struct scene *s = scene(test);

	pci_cfg_access_lock(s->port);
	KUNIT_EXPECT_EQ(test, 0, pci_bridge_secondary_bus_reset(s->port));
	pci_cfg_access_unlock(s->port);
	expect(test, s, true);
	KUNIT_EXPECT_EQ(test, s->downs, 1);
	KUNIT_EXPECT_EQ(test, s->ups, 1);
}

/* Another one */
static void core_driver_flr(struct kunit *test)
{
	struct scene *s = scene(test);

	KUNIT_ASSERT_EQ(test, 0, pcie_flr(s->pdev));
	expect(test, s, true);
	KUNIT_EXPECT_EQ(test, s->downs, 1);
	KUNIT_EXPECT_EQ(test, s->ups, 1);
	KUNIT_EXPECT_TRUE(test, s->decoded);

	/* One that is ready at once (Immediate Readiness) is not waited for. */
	s->pdev->imm_ready = 1;
	s->since = pci_p2pdma_outages();
	KUNIT_ASSERT_EQ(test, 0, pcie_flr(s->pdev));
	expect(test, s, true);
	KUNIT_EXPECT_EQ(test, s->ups, 2);
}

/*
 * Soon, as nobody waits for it.  What is asked by expect() does not change in one
 * moment.
 */
static void wait_until(struct scene *s, bool reachable)
{
	void *addr;
	int tries;

	for (tries = 0; tries < 500; tries++) {
		addr = pci_alloc_p2pmem(s->pdev, PAGE_SIZE);
		if (addr)
			pci_free_p2pmem(s->pdev, addr, PAGE_SIZE);
		if (!!addr == reachable &&
		    !pci_p2pmem_intact(s->pdev, s->since))
			return;
		msleep(20);
	}
}

/* All ones after a reset: it is gone, until it answers. */
static void core_no_answer(struct kunit *test)
{
	struct scene *s = scene(test);

	pci_save_state(s->pdev);
	s->fn->gone = true;
	pci_restore_state(s->pdev);
	wait_until(s, false);
	expect(test, s, false);
	s->fn->gone = false;
	pci_restore_state(s->pdev);
	wait_until(s, true);
	expect(test, s, true);
}

/* As drivers/scsi/ipr.c does: with interrupts disabled, nothing may sleep. */
static void core_restore_atomic(struct kunit *test)
{
	struct scene *s = scene(test);
	unsigned long flags;

	pci_save_state(s->pdev);
	pci_user_write_config_word(s->pdev, PCI_COMMAND, PCI_COMMAND_MASTER);
	expect(test, s, false);
	local_irq_save(flags);
	pci_restore_state(s->pdev);
	local_irq_restore(flags);
	wait_until(s, true);
	expect(test, s, true);
}

/*
 * One provider has its state restored while another one is being reset, whose
 * config space is not to be touched: what is seen there says nothing.
 */
static void core_restore_beside_reset(struct kunit *test)
{
	struct scene *s = scene(test);
	int i;

	p2pdma_outage_begin(s->pdev, P2PDMA_DOWN_RESET);
	s->fn->gone = true;
	pci_save_state(s->other);
	for (i = 0; i < 3; i++) {
		pci_restore_state(s->other);
		msleep(50);
		KUNIT_EXPECT_EQ(test, s->pdev->p2pdma_down, P2PDMA_DOWN_RESET);
	}
	s->fn->gone = false;
	p2pdma_outage_end(s->pdev, P2PDMA_DOWN_RESET);
	expect(test, s, true);
}

/* A driver has said that its device is out of reach, and goes without a word. */
static void core_driver_removed(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *fn = endpoint_under(root_port(host_bridge(fabric)));

	fabric_scan(fabric);
	pci_p2pdma_provider_down(fn->pdev);
	pci_p2pdma_provider_down(fn->pdev);
	KUNIT_EXPECT_FALSE(test, pci_p2pdma_reachable(fn->pdev));
	device_release_driver(&fn->pdev->dev);
	KUNIT_EXPECT_TRUE(test, pci_p2pdma_reachable(fn->pdev));
}

/* A driver puts it to sleep, and wakes it; and it refuses to sleep. */
static void core_power_state(struct kunit *test)
{
	struct scene *s = scene(test);
	const int pm = 0xe0;

	/* For the one register that matters */
	s->fn->writable[pm + PCI_PM_CTRL] = PCI_PM_CTRL_STATE_MASK;
	s->pdev->pm_cap = pm;
	s->pdev->current_state = PCI_D0;
	KUNIT_ASSERT_EQ(test, 0, pci_set_power_state(s->pdev, PCI_D3hot));
	expect(test, s, false);
	KUNIT_ASSERT_EQ(test, 0, pci_set_power_state(s->pdev, PCI_D0));
	expect(test, s, true);
	s->since = pci_p2pdma_outages();
	s->fn->writable[pm + PCI_PM_CTRL] = 0;
	pci_set_power_state(s->pdev, PCI_D3hot);
	expect(test, s, true);
}

#ifdef CONFIG_PM_SLEEP
/* From before its power may go until its state has been restored */
static void core_system_sleep(struct kunit *test)
{
	struct scene *s = scene(test);
	struct device *dev = &s->pdev->dev;
	const struct dev_pm_ops *pm = dev->bus->pm;

	/* Only of a kernel that hibernates */
	if (pm->freeze_noirq) {
		KUNIT_ASSERT_EQ(test, 0, pm->freeze_noirq(dev));
		expect(test, s, false);
		KUNIT_ASSERT_EQ(test, 0, pm->thaw_noirq(dev));
		expect(test, s, true);
		s->since = pci_p2pdma_outages();
	}
	KUNIT_ASSERT_EQ(test, 0, pm->suspend_noirq(dev));
	expect(test, s, false);
	dev->power.must_resume = true;
	KUNIT_ASSERT_EQ(test, 0, pm->resume_noirq(dev));
	expect(test, s, true);

	/* Another device fails to suspend: that phase is not gone through again. */
	s->since = pci_p2pdma_outages();
	KUNIT_ASSERT_EQ(test, 0, pm->suspend_noirq(dev));
	expect(test, s, false);
	KUNIT_ASSERT_EQ(test, 0, pm->resume(dev));
	expect(test, s, true);
}
#endif

/* User space puts it to sleep: its config space answers, its memory does not. */
static void core_user_sleep(struct kunit *test)
{
	struct scene *s = scene(test);
	const int pm = 0xe0;

	/* For the one register that matters, not for the kernel to use */
	s->fn->writable[pm + PCI_PM_CTRL] = PCI_PM_CTRL_STATE_MASK;
	s->pdev->pm_cap = pm;
	pci_user_write_config_word(s->pdev, pm + PCI_PM_CTRL,
				   PCI_PM_CTRL_STATE_MASK);
	expect(test, s, false);
	pci_user_write_config_word(s->pdev, PCI_COMMAND, ENABLED);
	expect(test, s, false);
	pci_user_write_config_word(s->pdev, pm + PCI_PM_CTRL, 0);
	wait_until(s, true);
	expect(test, s, true);
}

/* ---- decoding ---- */

static void core_decoding(struct kunit *test)
{
	struct scene *s = scene(test);
	int tries;

	pci_user_write_config_byte(s->pdev, PCI_COMMAND + 1, 0);
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, s->since));
	pci_user_write_config_word(s->pdev, PCI_COMMAND, ENABLED);
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, s->since));
	pci_user_write_config_dword(s->pdev, PCI_COMMAND, PCI_COMMAND_MASTER);
	expect(test, s, false);
	KUNIT_EXPECT_EQ(test, s->downs, 1);
	KUNIT_EXPECT_TRUE(test, s->decoded);
	pci_user_write_config_byte(s->pdev, PCI_COMMAND, ENABLED);
	expect(test, s, true);
	/* Told later */
	for (tries = 0; !READ_ONCE(s->ups) && tries < 500; tries++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, s->ups, 1);
}

/* A bridge above it that forwards no memory */
static void core_decoding_above(struct kunit *test)
{
	struct scene *s = scene(test);

	pci_user_write_config_byte(s->port, PCI_COMMAND, 0);
	expect(test, s, false);
	pci_user_write_config_byte(s->port, PCI_COMMAND, ENABLED);
	expect(test, s, true);
}

/*
 * The reset of a bridge, after which nobody tells what is below where its
 * memory is: it is not reachable before that has been done.
 */
static void core_forgotten(struct kunit *test)
{
	struct scene *s = scene(test);
	u32 bar;

	KUNIT_ASSERT_EQ(test, 0, pci_enable_device(s->pdev));
	pci_read_config_dword(s->pdev, PCI_BASE_ADDRESS_1, &bar);
	p2pdma_outage_begin(s->port, P2PDMA_DOWN_RESET);
	pci_write_config_dword(s->pdev, PCI_BASE_ADDRESS_1, 0);
	p2pdma_outage_end(s->port, P2PDMA_DOWN_RESET);
	expect(test, s, false);
	pci_write_config_dword(s->pdev, PCI_BASE_ADDRESS_1, bar);
	p2pdma_outage_check(s->pdev);
	expect(test, s, true);
	pci_disable_device(s->pdev);
}

/*
 * Decoding that a driver turns on again, which nobody tells, is noticed within
 * seconds, also after a long reset.
 */
static void core_unnoticed(struct kunit *test)
{
	struct scene *s = scene(test);
	int tries;

	KUNIT_ASSERT_EQ(test, 0, pci_enable_device(s->pdev));
	p2pdma_outage_begin(s->port, P2PDMA_DOWN_RESET);
	/* Longer than the time from one look to the next */
	msleep(1500);
	pci_write_config_word(s->pdev, PCI_COMMAND, 0);
	p2pdma_outage_end(s->port, P2PDMA_DOWN_RESET);
	expect(test, s, false);
	pci_write_config_word(s->pdev, PCI_COMMAND, ENABLED);
	for (tries = 0; tries < 200 && !pci_p2pdma_reachable(s->pdev); tries++)
		msleep(50);
	expect(test, s, true);
	pci_disable_device(s->pdev);
}

/*
 * Resets that user space starts by a write to config space: it does not decode
 * before somebody has enabled it again.
 */
static void core_user_flr(struct kunit *test)
{
	struct scene *s = scene(test);
	int devctl = s->pdev->pcie_cap + PCI_EXP_DEVCTL;

	pci_user_write_config_word(s->pdev, devctl, PCI_EXP_DEVCTL_BCR_FLR);
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, s->since));
	s->pdev->devcap |= PCI_EXP_DEVCAP_FLR;
	pci_user_write_config_word(s->pdev, devctl, 0);
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, s->since));
	pci_user_write_config_byte(s->pdev, devctl + 1,
				   PCI_EXP_DEVCTL_BCR_FLR >> 8);
	expect(test, s, false);
	KUNIT_EXPECT_TRUE(test, s->decoded);
	pci_user_write_config_word(s->pdev, PCI_COMMAND, ENABLED);
	expect(test, s, true);
}

/* A BAR is moved, and moved back. */
static void core_user_bar(struct kunit *test)
{
	struct scene *s = scene(test);
	u32 bar;

	pci_read_config_dword(s->pdev, PCI_BASE_ADDRESS_0, &bar);
	pci_user_write_config_dword(s->pdev, PCI_BASE_ADDRESS_0, ~0);
	expect(test, s, false);
	KUNIT_EXPECT_TRUE(test, s->decoded);
	pci_user_write_config_dword(s->pdev, PCI_ROM_ADDRESS, 0);
	expect(test, s, false);
	pci_user_write_config_dword(s->pdev, PCI_BASE_ADDRESS_0, bar);
	expect(test, s, true);
	/* Also one who writes what is there already: nobody looked before. */
	s->since = pci_p2pdma_outages();
	pci_user_write_config_dword(s->pdev, PCI_BASE_ADDRESS_0, bar);
	expect(test, s, true);
}

static void core_user_bus_reset(struct kunit *test)
{
	struct scene *s = scene(test);

	pci_user_write_config_word(s->port, PCI_BRIDGE_CONTROL,
				   PCI_BRIDGE_CTL_SERR);
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, s->since));
	pci_user_write_config_word(s->port, PCI_BRIDGE_CONTROL,
				   PCI_BRIDGE_CTL_BUS_RESET);
	expect(test, s, false);
	KUNIT_EXPECT_TRUE(test, s->decoded);
	pci_user_write_config_word(s->port, PCI_BRIDGE_CONTROL, 0);
	expect(test, s, false);
	pci_user_write_config_word(s->pdev, PCI_COMMAND, ENABLED);
	expect(test, s, true);
}

/* The link of the port above is switched off. */
static void core_user_link(struct kunit *test)
{
	struct scene *s = scene(test);
	int link = s->port->pcie_cap + PCI_EXP_LNKCTL;

	pci_user_write_config_word(s->port, link, PCI_EXP_LNKCTL_CCC);
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, s->since));
	pci_user_write_config_word(s->port, link, PCI_EXP_LNKCTL_LD);
	expect(test, s, false);
	KUNIT_EXPECT_TRUE(test, s->decoded);
	pci_user_write_config_word(s->port, link, 0);
	pci_user_write_config_word(s->pdev, PCI_COMMAND, ENABLED);
	expect(test, s, true);
}

/* ---- errors ---- */

static pci_ers_result_t error_detected(struct pci_dev *pdev,
				       pci_channel_state_t state)
{
	if (pdev == now->pdev)
		now->reached = pci_p2pdma_reachable(pdev);
	return state == pci_channel_io_frozen ? PCI_ERS_RESULT_NEED_RESET :
						PCI_ERS_RESULT_CAN_RECOVER;
}

static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static const struct pci_error_handlers handlers = {
	.error_detected = error_detected,
	.slot_reset = slot_reset,
};

static pci_ers_result_t link_up(struct pci_dev *pdev)
{
	now->reached |= pci_p2pdma_reachable(now->pdev);
	return PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t link_down(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_DISCONNECT;
}

static void no_handlers(void *driver)
{
	((struct pci_driver *)driver)->err_handler = NULL;
}

static void with_handlers(struct kunit *test, struct scene *s)
{
	s->pdev->driver->err_handler = &handlers;
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, no_handlers,
							   s->pdev->driver));
	s->reached = true;
}

/* Down before the driver hears of the error, and up when all is over */
static void core_recovery(struct kunit *test)
{
	struct scene *s = scene(test);

	with_handlers(test, s);
	KUNIT_EXPECT_TRUE(test, pcie_do_recovery(s->port, pci_channel_io_frozen,
						 link_up) ==
				PCI_ERS_RESULT_RECOVERED);
	KUNIT_EXPECT_FALSE(test, s->reached);
	expect(test, s, true);
}

/* A driver that knows nothing of errors; a link that stays down */
static void core_recovery_fails(struct kunit *test)
{
	struct scene *s = scene(test);

	pcie_do_recovery(s->port, pci_channel_io_frozen, link_up);
	expect(test, s, false);
}

static void core_recovery_link_down(struct kunit *test)
{
	struct scene *s = scene(test);

	with_handlers(test, s);
	pcie_do_recovery(s->port, pci_channel_io_frozen, link_down);
	expect(test, s, false);
}

/* After an error that was not fatal it goes on, whatever its driver knows. */
static void core_not_fatal(struct kunit *test)
{
	struct scene *s = scene(test);

	pcie_do_recovery(s->port, pci_channel_io_normal, link_up);
	expect(test, s, true);
	s->since = pci_p2pdma_outages();
	with_handlers(test, s);
	pcie_do_recovery(s->port, pci_channel_io_normal, link_up);
	KUNIT_EXPECT_FALSE(test, s->reached);
	expect(test, s, true);
}

/* Pulled out. */
static void core_disconnected(struct kunit *test)
{
	struct scene *s = scene(test);

	pci_dev_set_disconnected(s->pdev, NULL);
	expect(test, s, false);
	/* It may answer for a moment yet. */
	pci_save_state(s->pdev);
	pci_restore_state(s->pdev);
	expect(test, s, false);
}

static struct kunit_case core_cases[] = {
	KUNIT_CASE_SLOW(core_reset),
	KUNIT_CASE_SLOW(core_reset_above),
	KUNIT_CASE_SLOW(core_driver_flr),
	KUNIT_CASE(core_no_answer),
	KUNIT_CASE(core_restore_atomic),
	KUNIT_CASE_SLOW(core_restore_beside_reset),
	KUNIT_CASE(core_driver_removed),
	KUNIT_CASE(core_power_state),
#ifdef CONFIG_PM_SLEEP
	KUNIT_CASE(core_system_sleep),
#endif
	KUNIT_CASE(core_user_sleep),
	KUNIT_CASE(core_decoding),
	KUNIT_CASE(core_decoding_above),
	KUNIT_CASE(core_forgotten),
	KUNIT_CASE_SLOW(core_unnoticed),
	KUNIT_CASE(core_user_flr),
	KUNIT_CASE(core_user_bar),
	KUNIT_CASE(core_user_bus_reset),
	KUNIT_CASE(core_user_link),
	KUNIT_CASE(core_recovery),
	KUNIT_CASE(core_recovery_fails),
	KUNIT_CASE(core_recovery_link_down),
	KUNIT_CASE(core_not_fatal),
	KUNIT_CASE(core_disconnected),
	{}
};

static struct kunit_suite core_suite = {
	.name = "p2pdma_outage_core",
	.test_cases = core_cases,
};

kunit_test_suite(core_suite);

MODULE_DESCRIPTION("KUnit suite of outages as the PCI core has them");
MODULE_LICENSE("GPL");
