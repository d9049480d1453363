// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that lends BARs of devices that have no driver of their own, or
 * none that lends: FPGAs, NVRAM cards, RAM-backed BARs of virtual machines.
 *
 * It has no table of devices and binds only to those that the administrator
 * gives it, by driver_override or new_id.  What it lends of them is in the
 * parameter "ranges"; everything else is left to the front door, which also
 * refuses what cannot be lent.
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
#include <linux/string.h>
#include <linux/sysfs.h>

/**
 * struct lend_range - one entry of the parameter "ranges"
 * @any: for every device that has no entry of its own; @domain and @devfn are
 *	void then
 * @domain: segment of the device
 * @bus: its bus number
 * @devfn: its device and function
 * @bar: BAR number; checked when it is lent, as each device has others
 * @offset: first byte in the BAR
 * @size: number of bytes, 0 for all behind @offset
 */
struct lend_range {
	bool any;
	unsigned int domain;
	u8 bus;
	u8 devfn;
	int bar;
	u64 offset;
	u64 size;
};

/* Not allocated, as the kernel command line is read before there is slab. */
#define LEND_RANGES	16

struct lend_table {
	unsigned int count;
	struct lend_range range[LEND_RANGES];
};

/*
 * Not kernel_param_lock(): a probe holds the device's lock, and a parameter of
 * somebody else may take that.
 */
static DEFINE_MUTEX(lend_lock);

/* Both protected by lend_lock */
static struct lend_table lend_table;
static struct lend_table lend_new;

/* "0000:01:00.0/" in front of an entry, or nothing for any device */
static const char *parse_device(const char *text, struct lend_range *range)
{
	unsigned int domain, bus, slot, func;
	int len = 0;

	range->any = true;
	if (sscanf(text, "%x:%x:%x.%x/%n", &domain, &bus, &slot, &func,
		   &len) < 4 || !len)
		return text;
	if (bus > U8_MAX || slot > 31 || func > 7)
		return text;
	range->any = false;
	range->domain = domain;
	range->bus = bus;
	range->devfn = PCI_DEVFN(slot, func);
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
static bool parse_range(const char **text, struct lend_range *range)
{
	const char *at = parse_device(*text, range);
	int len = 0;

	/* A few digits without sign, as sscanf() wraps without a word */
	if (!isdigit(*at) || strspn(at, "0123456789") > 4 ||
	    sscanf(at, "%d%n", &range->bar, &len) < 1)
		return false;
	*text = at + len;
	return parse_bytes(text, &range->offset) &&
	       parse_bytes(text, &range->size);
}

/* All of the text or nothing of it is taken over. */
static int ranges_set(const char *val, const struct kernel_param *kp)
{
	const char *entry, *at = val;
	bool more;

	guard(mutex)(&lend_lock);
	lend_new.count = 0;
	for (more = *at && *at != '\n'; more; more = *at++ == ',') {
		if (lend_new.count == LEND_RANGES) {
			pr_err("ranges: more than %d\n", LEND_RANGES);
			return -E2BIG;
		}
		entry = at;
		if (!parse_range(&at, &lend_new.range[lend_new.count]) ||
		    (*at && *at != ',' && *at != '\n')) {
			pr_err("ranges: '%.*s' is not [BDF/]BAR[/OFFSET[/SIZE]], like 0000:01:00.0/2/0/256M\n",
			       (int)strcspn(entry, ",\n"), entry);
			return -EINVAL;
		}
		lend_new.count++;
	}
	lend_table = lend_new;
	return 0;
}

static int ranges_get(char *buffer, const struct kernel_param *kp)
{
	unsigned int i;
	int len = 0;

	guard(mutex)(&lend_lock);
	for (i = 0; i < lend_table.count; i++) {
		struct lend_range *range = &lend_table.range[i];

		if (i)
			len += sysfs_emit_at(buffer, len, ",");
		if (!range->any)
			len += sysfs_emit_at(buffer, len, "%04x:%02x:%02x.%d/",
					     range->domain, range->bus,
					     PCI_SLOT(range->devfn),
					     PCI_FUNC(range->devfn));
		len += sysfs_emit_at(buffer, len, "%d/%#llx/%#llx", range->bar,
				     range->offset, range->size);
	}
	return len + sysfs_emit_at(buffer, len, "\n");
}

static const struct kernel_param_ops ranges_ops = {
	.set = ranges_set,
	.get = ranges_get,
};
module_param_cb(ranges, &ranges_ops, NULL, 0644);
MODULE_PARM_DESC(ranges,
		 "what to lend: [BDF/]BAR[/OFFSET[/SIZE]],... in bytes with K, M, G, T or P; an entry without BDF is for each device that has none of its own, and without any entry the largest prefetchable BAR is lent");

/* Registers are not prefetchable: so nobody lends those by accident. */
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

static bool is_for(const struct lend_range *range, struct pci_dev *pdev)
{
	return !range->any && range->domain == pci_domain_nr(pdev->bus) &&
	       range->bus == pdev->bus->number && range->devfn == pdev->devfn;
}

/* Fill @mine with what is to be lent of @pdev; returns the number of ranges. */
static unsigned int choose(struct pci_dev *pdev, struct lend_range *mine)
{
	unsigned int i, count = 0;
	bool own = false;

	scoped_guard(mutex, &lend_lock) {
		for (i = 0; i < lend_table.count; i++)
			own |= is_for(&lend_table.range[i], pdev);
		for (i = 0; i < lend_table.count; i++)
			if (own ? is_for(&lend_table.range[i], pdev) :
				  lend_table.range[i].any)
				mine[count++] = lend_table.range[i];
	}

	if (!count) {
		mine[0] = (struct lend_range){ .bar = largest_bar(pdev) };
		count = mine[0].bar >= 0;
	}
	return count;
}

static int lend_one(struct pci_dev *pdev, const struct lend_range *range,
		    unsigned long *claimed)
{
	int error;

	/* One BAR may be lent in several pieces. */
	if (range->bar >= 0 && range->bar < PCI_STD_NUM_BARS &&
	    !__test_and_set_bit(range->bar, claimed)) {
		error = pcim_request_region(pdev, range->bar, KBUILD_MODNAME);
		if (error) {
			pci_err(pdev, "cannot lend BAR %d: it is in use, see /proc/iomem\n",
				range->bar);
			return error;
		}
	}
	return pci_p2pdma_add_resource(pdev, range->bar, range->size,
				       range->offset);
}

static int lend_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct lend_range mine[LEND_RANGES];
	unsigned long claimed = 0;
	unsigned int i, count;
	int error;

	count = choose(pdev, mine);
	if (!count) {
		pci_err(pdev, "has no prefetchable BAR: say what to lend with %s.ranges=\n",
			KBUILD_MODNAME);
		return -EINVAL;
	}
	error = pcim_enable_device(pdev);
	if (error)
		return error;
	for (i = 0; i < count; i++) {
		error = lend_one(pdev, &mine[i], &claimed);
		if (error)
			return error;
	}
	pci_p2pmem_publish(pdev, true);
	return 0;
}

/* Removal is devres's: it takes the ranges back before it disables the device. */
static struct pci_driver lend_driver = {
	.name = "pci-p2pdma-lend",
	.probe = lend_probe,
};
module_pci_driver(lend_driver);

MODULE_DESCRIPTION("Lends a BAR of any PCI device for peer-to-peer DMA");
MODULE_LICENSE("GPL");
