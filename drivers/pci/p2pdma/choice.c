// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user's choice of a lender: an attribute of drivers that offer one.
 */
#include <linux/device.h>
#include <linux/export.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/sysfs.h>

/**
 * pci_p2pdma_enable_store - parse an attribute that turns peer memory on
 * @page: what the user wrote: a bool, or the address of a lending device
 * @p2p_dev: the device named, with a reference that the caller drops with
 *	pci_dev_put(), or NULL if none is named
 * @use_p2pdma: whether to use peer memory
 *
 * Context: may sleep.
 * Return: 0, or with nothing changed
 *	-EINVAL if @page is neither a bool nor a PCI address,
 *	-ENODEV if there is no such device or it has published no memory.
 */
int pci_p2pdma_enable_store(const char *page, struct pci_dev **p2p_dev,
			    bool *use_p2pdma)
{
	/* Even is off.  kstrtobool() would take "none" and "00" for a bool. */
	static const char * const bools[] = {
		"0", "1", "n", "y", "N", "Y", "no", "yes", "off", "on",
	};
	struct pci_dev *pdev;
	struct device *dev;
	int index;

	if (!strchr(page, ':')) {
		index = sysfs_match_string(bools, page);
		if (index < 0) {
			pr_err("P2PDMA: '%.*s' is neither 0, 1 nor the address of a PCI device\n",
			       (int)strcspn(page, "\n"), page);
			return index;
		}
		*p2p_dev = NULL;
		*use_p2pdma = index & 1;
		return 0;
	}

	dev = bus_find_device_by_name(&pci_bus_type, NULL, page);
	if (!dev) {
		pr_err("P2PDMA: there is no PCI device %.*s\n",
		       (int)strcspn(page, "\n"), page);
		return -ENODEV;
	}
	pdev = to_pci_dev(dev);
	if (!pci_has_p2pmem(pdev)) {
		pci_err(pdev, "lends no published memory to peers\n");
		pci_dev_put(pdev);
		return -ENODEV;
	}
	*p2p_dev = pdev;
	*use_p2pdma = true;
	return 0;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_enable_store);

/**
 * pci_p2pdma_enable_show - print what pci_p2pdma_enable_store() parsed
 * @page: where to print, PAGE_SIZE bytes
 * @p2p_dev: device chosen, or NULL
 * @use_p2pdma: whether peer memory is used
 *
 * Context: any.
 * Return: number of characters.
 */
ssize_t pci_p2pdma_enable_show(char *page, struct pci_dev *p2p_dev,
			       bool use_p2pdma)
{
	if (use_p2pdma && p2p_dev)
		return sysfs_emit(page, "%s\n", pci_name(p2p_dev));
	return sysfs_emit(page, "%d\n", use_p2pdma);
}
EXPORT_SYMBOL_GPL(pci_p2pdma_enable_show);
