// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user's choice of a provider: an attribute of drivers that offer one.
 */
#include <linux/cleanup.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kstrtox.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "../pci.h"

/* What an administrator can name a provider by, besides its address */
#define BY_SLOT		"slot:"
#define BY_SERIAL	"serial:"

/* A serial number as lspci has it, "01-23-45-67-89-ab-cd-ef" */
#define SERIAL_LEN	23

/**
 * pci_p2pdma_enable_store - parse an attribute that turns peer memory on
 * @page: what the user wrote: what kstrtobool() takes, or the address of a
 *	provider
 * @p2p_dev: the device named, with a reference that the caller drops with
 *	pci_dev_put(), or NULL if none is named
 * @use_p2pdma: whether to use peer memory
 *
 * A text with a colon is an address and never a bool, whatever it begins with;
 * and a digit is a bool alone: who mistypes an address shall not have set one.
 *
 * Context: may sleep.
 * Return: 0, or with nothing changed -ENODEV if @page is neither, there is no
 * such device, or it has published no memory.
 */
int pci_p2pdma_enable_store(const char *page, struct pci_dev **p2p_dev,
			    bool *use_p2pdma)
{
	struct pci_dev *pdev;
	struct device *dev;

	if (!strchr(page, ':')) {
		if ((isdigit(page[0]) && page[1] && page[1] != '\n') ||
		    kstrtobool(page, use_p2pdma)) {
			pr_err("P2PDMA: '%.*s' is neither 0, 1 nor the address of a PCI device\n",
			       (int)strcspn(page, "\n"), page);
			return -ENODEV;
		}
		*p2p_dev = NULL;
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
		pci_err(pdev, "has no published peer memory\n");
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
	/* Not sysfs_emit(): 6.12 prints to any address, not to whole pages only. */
	if (use_p2pdma && p2p_dev)
		return scnprintf(page, PAGE_SIZE, "%s\n", pci_name(p2p_dev));
	return scnprintf(page, PAGE_SIZE, "%d\n", use_p2pdma);
}
EXPORT_SYMBOL_GPL(pci_p2pdma_enable_show);

/* ---- names that last from boot to boot ---- */

/* As the kernel prints it, with the segment: nothing else is ever found. */
static bool is_address(const char *name)
{
	unsigned int domain, bus, slot, function;
	char printed[32];

	if (sscanf(name, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return false;
	if (bus > 0xff || slot > 0x1f || function > 7)
		return false;
	snprintf(printed, sizeof(printed), "%04x:%02x:%02x.%u", domain, bus,
		 slot, function);
	return !strcmp(printed, name);
}

/* What can be a folder's name, and be printed in a line of the log */
static bool is_slot_name(const char *text)
{
	const char *at;

	for (at = text; *at; at++)
		if (!isprint(*at) || *at == '/')
			return false;
	return at != text && strcmp(text, ".") && strcmp(text, "..");
}

static bool is_serial(const char *text)
{
	int i;

	if (strlen(text) != SERIAL_LEN)
		return false;
	for (i = 0; i < SERIAL_LEN; i++)
		if (i % 3 == 2 ? text[i] != '-' : !isxdigit(text[i]))
			return false;
	return true;
}

/*
 * Not to be waited for: recovery from errors holds it while it takes the locks
 * of devices, whose drivers' removal may wait for whoever asks here.
 */
static int is_in_slot(struct pci_dev *pdev, const char *slot)
{
	int found;

	if (!mutex_trylock(&pci_slot_mutex))
		return -EAGAIN;
	/* Keeps the slot; the driver of the slot may take it away. */
	found = pdev->slot && !strcmp(pci_slot_name(pdev->slot), slot);
	mutex_unlock(&pci_slot_mutex);
	return found;
}

static bool has_serial(struct pci_dev *pdev, const char *text)
{
	u64 dsn = pci_get_dsn(pdev);	/* PCIe r6.0, sec 7.9.3 */
	char printed[SERIAL_LEN + 2];
	int i;

	if (!dsn)
		return false;
	for (i = 0; i < sizeof(dsn); i++)
		snprintf(printed + 3 * i, 4, "%02x-",
			 (u8)(dsn >> (8 * (sizeof(dsn) - 1 - i))));
	return !strncasecmp(printed, text, SERIAL_LEN);
}

/* Whether it has, or -EAGAIN */
static int has_name(struct pci_dev *pdev, const char *name)
{
	if (strstarts(name, BY_SLOT))
		return is_in_slot(pdev, name + strlen(BY_SLOT));
	if (strstarts(name, BY_SERIAL))
		return has_serial(pdev, name + strlen(BY_SERIAL));
	return !strcmp(pci_name(pdev), name);
}

/**
 * pci_p2pmem_check_name - can a provider have this name?
 * @name: an address ("0000:05:00.0"); "slot:NAME" with the name that
 *	/sys/bus/pci/slots has for the slot it is in; or "serial:NUMBER" with
 *	its Device Serial Number as lspci prints it ("01-23-45-67-89-ab-cd-ef")
 *
 * An address is not the same after each boot; the others are, but for the name
 * of a slot that ends in "-1", "-2": several have that number, in the order in
 * which they were found.
 *
 * Context: any.
 * Return: 0, or -EINVAL with a line in the log.  That there is such a provider
 * now is another matter: see pci_p2pmem_find_named().
 */
int pci_p2pmem_check_name(const char *name)
{
	if (strstarts(name, BY_SLOT) ? is_slot_name(name + strlen(BY_SLOT)) :
	    strstarts(name, BY_SERIAL) ? is_serial(name + strlen(BY_SERIAL)) :
	    is_address(name))
		return 0;
	pr_err("P2PDMA: '%*pE' names no PCI device: use 0000:05:00.0, slot:NAME or serial:01-23-45-67-89-ab-cd-ef\n",
	       (int)strlen(name), name);
	return -EINVAL;
}
EXPORT_SYMBOL_GPL(pci_p2pmem_check_name);

/**
 * pci_p2pmem_find_named - the provider that has a name
 * @name: as pci_p2pmem_check_name() has it
 *
 * Of several functions in one slot, or with one serial number, it is the first
 * that has published memory.
 *
 * Context: process context; may be called with locks that the removal of a
 * device waits for.
 * Return: the device, with a reference that the caller drops with
 * pci_dev_put(); NULL if none of that name has published memory now; or
 * ERR_PTR(-EAGAIN) if slots are being changed or reset.
 */
struct pci_dev *pci_p2pmem_find_named(const char *name)
{
	struct pci_dev *pdev = NULL;
	int found;

	for_each_pci_dev(pdev) {
		found = pci_has_p2pmem(pdev) ? has_name(pdev, name) : 0;
		if (!found)
			continue;
		if (found > 0)
			return pdev;
		pci_dev_put(pdev);
		return ERR_PTR(found);
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(pci_p2pmem_find_named);
