// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that registers BARs of devices that have no driver of their own, or
 * none that does: FPGAs, NVRAM cards, RAM-backed BARs of virtual machines.
 *
 * It has no table of devices and binds only to those that the administrator
 * gives it, by driver_override or new_id.  What it registers of them is in the
 * parameter "resources"; everything else is left to p2pdma.c, which also refuses
 * what cannot be registered.
 *
 * Whether there is memory in a BAR the administrator knows, at best.  So all of
 * it is unvetted, and the driver of no use when the kernel is locked down.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/security.h>
#include <linux/string.h>
#include <linux/sysfs.h>

/**
 * struct stub_entry - one entry of the parameter "resources"
 * @any: for every device that has no entry of its own; @domain and @devfn are
 *	void then
 * @domain: segment of the device
 * @bus: its bus number
 * @devfn: its device and function
 * @bar: BAR number; checked when it is registered, as each device has others
 * @offset: first byte in the BAR
 * @size: number of bytes, 0 for all behind @offset
 */
struct stub_entry {
	bool any;
	unsigned int domain;
	u8 bus;
	u8 devfn;
	int bar;
	u64 offset;
	u64 size;
};

/* Not allocated, as the kernel command line is read before there is slab. */
#define STUB_ENTRIES	16

struct stub_table {
	unsigned int count;
	struct stub_entry entry[STUB_ENTRIES];
};

/*
 * Not kernel_param_lock(): a probe holds the device's lock, and a parameter of
 * somebody else may take that.
 */
static DEFINE_MUTEX(stub_lock);

/* Both protected by stub_lock */
static struct stub_table stub_table;
static struct stub_table stub_new;

/* "0000:01:00.0/" in front of an entry, or nothing for any device */
static const char *parse_device(const char *text, struct stub_entry *entry)
{
	unsigned int domain, bus, slot, func;
	int len = 0;

	entry->any = true;
	/* More digits would wrap. */
	if (sscanf(text, "%8x:%2x:%2x.%1x/%n", &domain, &bus, &slot, &func,
		   &len) < 4 || !len)
		return text;
	if (bus > U8_MAX || slot > 31 || func > 7)
		return text;
	entry->any = false;
	entry->domain = domain;
	entry->bus = bus;
	entry->devfn = PCI_DEVFN(slot, func);
	return text + len;
}

/* "/16M": a number of bytes; false if there is a slash and no number that fits */
static bool parse_bytes(const char **text, u64 *bytes)
{
	static const char suffixes[] = "KMGTP";
	const char *suffix;
	char number[24];
	size_t len;

	*bytes = 0;
	if (**text != '/')
		return true;
	len = strcspn(++*text, "/,\n");
	if (!len || len >= sizeof(number))
		return false;
	memcpy(number, *text, len);
	number[len] = '\0';
	*text += len;

	/* Not memparse(), which wraps without a word */
	suffix = strchr(suffixes, toupper(number[len - 1]));
	if (suffix)
		number[len - 1] = '\0';
	return !kstrtou64(number, 0, bytes) &&
	       !check_shl_overflow(*bytes,
				   suffix ? 10 * (suffix - suffixes + 1) : 0,
				   bytes);
}

/* [BDF/]BAR[/OFFSET[/SIZE]] */
static bool parse_entry(const char **text, struct stub_entry *entry)
{
	const char *at = parse_device(*text, entry);
	int len = 0;

	/* A few digits without sign, as sscanf() wraps without a word */
	if (!isdigit(*at) || strspn(at, "0123456789") > 4 ||
	    sscanf(at, "%d%n", &entry->bar, &len) < 1)
		return false;
	*text = at + len;
	return parse_bytes(text, &entry->offset) &&
	       parse_bytes(text, &entry->size);
}

/*
 * All of the text or nothing of it is taken over.  On the command line it comes
 * before there are security modules; what is registered is checked in any case.
 */
static int resources_set(const char *val, const struct kernel_param *kp)
{
	const char *entry, *at = val;
	bool more;

	if (security_locked_down(LOCKDOWN_PCI_ACCESS)) {
		pr_err("resources: the kernel is locked down: no BAR can be registered that way\n");
		return -EPERM;
	}
	guard(mutex)(&stub_lock);
	stub_new.count = 0;
	for (more = *at && *at != '\n'; more; more = *at++ == ',') {
		if (stub_new.count == STUB_ENTRIES) {
			pr_err("resources: more than %d\n", STUB_ENTRIES);
			return -E2BIG;
		}
		entry = at;
		if (!parse_entry(&at, &stub_new.entry[stub_new.count]) ||
		    (*at && *at != ',' && *at != '\n')) {
			pr_err("resources: '%.*s' is not [BDF/]BAR[/OFFSET[/SIZE]], like 0000:01:00.0/2/0/256M\n",
			       (int)strcspn(entry, ",\n"), entry);
			return -EINVAL;
		}
		stub_new.count++;
	}
	stub_table = stub_new;
	return 0;
}

static int resources_get(char *buffer, const struct kernel_param *kp)
{
	unsigned int i;
	int len = 0;

	guard(mutex)(&stub_lock);
	for (i = 0; i < stub_table.count; i++) {
		struct stub_entry *entry = &stub_table.entry[i];

		if (i)
			len += sysfs_emit_at(buffer, len, ",");
		if (!entry->any)
			len += sysfs_emit_at(buffer, len, "%04x:%02x:%02x.%d/",
					     entry->domain, entry->bus,
					     PCI_SLOT(entry->devfn),
					     PCI_FUNC(entry->devfn));
		len += sysfs_emit_at(buffer, len, "%d/%#llx/%#llx", entry->bar,
				     entry->offset, entry->size);
	}
	return len + sysfs_emit_at(buffer, len, "\n");
}

static const struct kernel_param_ops resources_ops = {
	.set = resources_set,
	.get = resources_get,
};
module_param_cb(resources, &resources_ops, NULL, 0644);
MODULE_PARM_DESC(resources,
		 "what to register: [BDF/]BAR[/OFFSET[/SIZE]],... in bytes with K, M, G, T or P; an entry without BDF is for each device that has none of its own, and without any entry the largest prefetchable BAR is registered");

/* Registers are not prefetchable: so nobody registers those by accident. */
static int largest_bar(struct pci_dev *pdev)
{
	int bar, best = -1;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		if (!(pci_resource_flags(pdev, bar) & IORESOURCE_PREFETCH))
			continue;
		if (best < 0 ||
		    pci_resource_len(pdev, bar) > pci_resource_len(pdev, best))
			best = bar;
	}
	return best;
}

static bool entry_is_for(const struct stub_entry *entry, struct pci_dev *pdev)
{
	return !entry->any && entry->domain == pci_domain_nr(pdev->bus) &&
	       entry->bus == pdev->bus->number && entry->devfn == pdev->devfn;
}

/* Fill @mine with the entries for @pdev; returns their number. */
static unsigned int select_entries(struct pci_dev *pdev,
				   struct stub_entry *mine)
{
	unsigned int i, count = 0;
	bool own = false;

	scoped_guard(mutex, &stub_lock) {
		for (i = 0; i < stub_table.count; i++)
			own |= entry_is_for(&stub_table.entry[i], pdev);
		for (i = 0; i < stub_table.count; i++)
			if (own ? entry_is_for(&stub_table.entry[i], pdev) :
				  stub_table.entry[i].any)
				mine[count++] = stub_table.entry[i];
	}

	if (!count) {
		mine[0] = (struct stub_entry){ .bar = largest_bar(pdev) };
		count = mine[0].bar >= 0;
	}
	return count;
}

static int stub_register(struct pci_dev *pdev, const struct stub_entry *entry,
			 unsigned long *claimed)
{
	int error;

	/* One BAR may be registered in several parts. */
	if (entry->bar >= 0 && entry->bar < PCI_STD_NUM_BARS &&
	    !__test_and_set_bit(entry->bar, claimed)) {
		error = pcim_request_region(pdev, entry->bar, KBUILD_MODNAME);
		if (error) {
			pci_err(pdev, "cannot register BAR %d: it is in use, see /proc/iomem\n",
				entry->bar);
			return error;
		}
	}
	return pci_p2pdma_add_unvetted_resource(pdev, entry->bar, entry->size,
						entry->offset);
}

static int stub_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct stub_entry mine[STUB_ENTRIES];
	unsigned long claimed = 0;
	unsigned int i, count;
	int error;

	count = select_entries(pdev, mine);
	if (!count) {
		pci_err(pdev, "no prefetchable BAR: name what to register with %s.resources=\n",
			KBUILD_MODNAME);
		return -EINVAL;
	}
	error = pcim_enable_device(pdev);
	if (error)
		return error;
	for (i = 0; i < count; i++) {
		error = stub_register(pdev, &mine[i], &claimed);
		if (error)
			return error;
	}
	/* For stub_slot_reset() */
	pci_save_state(pdev);
	pci_p2pmem_publish(pdev, true);
	return 0;
}

/*
 * There is nothing to recover but the BARs.  But without these two no device
 * below the same port would be recovered: see report_error_detected().  What
 * the memory was used for meanwhile is the business of outages.
 */
static pci_ers_result_t stub_error_detected(struct pci_dev *pdev,
					    pci_channel_state_t state)
{
	switch (state) {
	case pci_channel_io_normal:
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

static pci_ers_result_t stub_slot_reset(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	pci_save_state(pdev);
	return PCI_ERS_RESULT_RECOVERED;
}

static const struct pci_error_handlers stub_err_handler = {
	.error_detected = stub_error_detected,
	.slot_reset = stub_slot_reset,
};

/* Removal is devres's: it unregisters the resources before it disables the device. */
static struct pci_driver stub_driver = {
	.name = "pci-p2pmem-stub",
	.probe = stub_probe,
	.err_handler = &stub_err_handler,
};
module_pci_driver(stub_driver);

MODULE_DESCRIPTION("Registers a BAR of any PCI device for peer-to-peer DMA");
MODULE_LICENSE("GPL");
