// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the root complex may do.
 *
 * PCIe leaves it to the root complex whether it routes requests between its
 * ports (r6.0, sec 1.3.1), and nothing in config space tells.  So only those
 * that are known to do it count: by what the administrator says, by the CPU, or
 * by the ids of the device that stands for the host bridge.
 *
 * To look at the devices of a root bus takes pci_bus_sem, which a mapping
 * must not.  So what each root bus may do is worked out when its devices
 * appear, and kept by segment and bus number.
 */
#include <linux/cleanup.h>
#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/processor.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/xarray.h>

#include "../pci.h"
#include "p2pdma.h"

#define MAX_POLICIES	16

#define KNOWN(vendor, device, routes)	\
	{ PCI_DEVICE(vendor, device), .driver_data = routes }

/* Without P2PDMA_ROUTES_BETWEEN: within one host bridge only */
#define WITHIN	(P2PDMA_ROUTES_READS | P2PDMA_ROUTES_WRITES)
#define ALL	(WITHIN | P2PDMA_ROUTES_BETWEEN)

#define GOOGLE	0x1ae0

static const struct pci_device_id known[] = {
	/* Xeon E5, E5 v3 */
	KNOWN(PCI_VENDOR_ID_INTEL, 0x3c00, WITHIN),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x3c01, WITHIN),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2f00, WITHIN),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2f01, WITHIN),
	/* Skylake-SP and later */
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2030, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2031, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2032, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2033, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x2020, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x09a2, ALL),
	/* Root buses of the same that carry nothing but accelerators */
	KNOWN(PCI_VENDOR_ID_INTEL, PCI_DEVICE_ID_INTEL_DSA_SPR0, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, PCI_DEVICE_ID_INTEL_IAX_SPR0, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, PCI_DEVICE_ID_INTEL_DSA_GNRD, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, PCI_DEVICE_ID_INTEL_DSA_DMR, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, PCI_DEVICE_ID_INTEL_IAA_DMR, ALL),
	KNOWN(PCI_VENDOR_ID_INTEL, 0x4940, ALL),	/* QAT 4xxx */
	KNOWN(PCI_VENDOR_ID_INTEL, 0x4942, ALL),	/* QAT 401xx */
	KNOWN(PCI_VENDOR_ID_INTEL, 0x4944, ALL),	/* QAT 402xx */
	KNOWN(PCI_VENDOR_ID_INTEL, 0x4946, ALL),	/* QAT 420xx */
	KNOWN(PCI_VENDOR_ID_INTEL, 0x4948, ALL),	/* QAT 6xxx */
	KNOWN(PCI_VENDOR_ID_NVIDIA, 0x2f95, ALL),
	KNOWN(PCI_VENDOR_ID_NVIDIA, 0x2f96, ALL),
	KNOWN(PCI_VENDOR_ID_NVIDIA, 0x2f97, ALL),
	KNOWN(PCI_VENDOR_ID_NVIDIA, 0x2f98, ALL),
	KNOWN(PCI_VENDOR_ID_ZHAOXIN, 0x1003, WITHIN),
	KNOWN(PCI_VENDOR_ID_ZHAOXIN, 0x1005, WITHIN),
	KNOWN(PCI_VENDOR_ID_ZHAOXIN, 0x1006, WITHIN),
	KNOWN(PCI_VENDOR_ID_ZHAOXIN, 0x1007, WITHIN),
	KNOWN(PCI_VENDOR_ID_ZHAOXIN, 0x1008, ALL),
	KNOWN(GOOGLE, PCI_ANY_ID, ALL),			/* any of their SoCs */
	{ }
};

/* Root buses seen: segment << 8 | bus number -> P2PDMA_ROUTES_* */
static DEFINE_XARRAY(root_buses);

/* What the administrator says of the bridges with these ids */
struct policy {
	u16 vendor;
	u16 device;
	u8 routes;
};

static struct policy policies[MAX_POLICIES];
static unsigned int policy_count;

/* Protects policies, and root_buses against a change of them meanwhile */
static DEFINE_MUTEX(learn_lock);

/* Before that, a policy is for later; see p2pdma_hostbridge_scan(). */
static bool scanned;

/* A bus could not be remembered; one without entry may be it from then on. */
static bool forgetful;

static unsigned long root_key(struct pci_bus *root)
{
	return (unsigned long)pci_domain_nr(root) << 8 | root->number;
}

/* Every AMD root complex since Zen (family 17h) routes between its ports. */
static unsigned int cpu_routes(void)
{
#ifdef CONFIG_X86
	if (boot_cpu_data.x86_vendor == X86_VENDOR_AMD &&
	    boot_cpu_data.x86 >= 0x17)
		return ALL;
#endif
	return 0;
}

/*
 * Does @pdev stand for its host bridge?  Device 00.0 does; where there is
 * none, the first device on the bus if it is a part of the root complex.
 */
static bool stands_for_root(struct pci_dev *pdev)
{
	struct pci_dev *other, *first = NULL, *zero = NULL;

	down_read(&pci_bus_sem);
	list_for_each_entry(other, &pdev->bus->devices, bus_list) {
		if (!first)
			first = other;
		if (other->devfn == PCI_DEVFN(0, 0))
			zero = other;
	}
	up_read(&pci_bus_sem);

	if (zero)
		return zero == pdev;
	return first == pdev &&
	       (pci_pcie_type(pdev) == PCI_EXP_TYPE_ROOT_PORT ||
		pci_pcie_type(pdev) == PCI_EXP_TYPE_RC_END);
}

static const struct policy *policy_of(struct pci_dev *pdev)
{
	unsigned int i;

	lockdep_assert_held(&learn_lock);
	for (i = 0; i < policy_count; i++)
		if (policies[i].vendor == pdev->vendor &&
		    policies[i].device == pdev->device)
			return &policies[i];
	return NULL;
}

/**
 * p2pdma_hostbridge_learn - a PCI device has appeared
 * @pdev: the device
 *
 * Context: process context, may sleep.  The device is on its bus.
 */
void p2pdma_hostbridge_learn(struct pci_dev *pdev)
{
	const struct pci_device_id *id;
	const struct policy *policy;
	unsigned int routes;

	if (!pci_is_root_bus(pdev->bus) || !stands_for_root(pdev))
		return;

	guard(mutex)(&learn_lock);
	policy = policy_of(pdev);
	if (policy) {
		routes = policy->routes;
		/* Wrongly said, it loses data without any error. */
		if (routes)
			pci_warn(pdev, "host bridge taken to route%s%s of peers, as host_bridges= says\n",
				 routes & P2PDMA_ROUTES_READS ? " reads" : "",
				 routes & P2PDMA_ROUTES_WRITES ? " writes" : "");
	} else {
		id = pci_match_id(known, pdev);
		routes = cpu_routes() ?: id ? id->driver_data : 0;
	}
	/*
	 * Without memory for it the bus stays unknown: refused, not wrong, and
	 * not what the CPU alone would do where the administrator said "none".
	 */
	if (xa_is_err(xa_store(&root_buses, root_key(pdev->bus),
			       xa_mk_value(routes), GFP_KERNEL))) {
		WRITE_ONCE(forgetful, true);
		xa_erase(&root_buses, root_key(pdev->bus));
	}
}

/**
 * p2pdma_hostbridge_forget - a PCI device goes away
 * @pdev: the device
 *
 * What was learnt of a root bus outlives the device that stood for it: the
 * bridge is there as long as anything behind it is, and what the administrator
 * forbade must not come back because one of its functions was removed.
 *
 * Context: process context, may sleep.  The device is still on its bus.
 */
void p2pdma_hostbridge_forget(struct pci_dev *pdev)
{
	bool last;

	if (!pci_is_root_bus(pdev->bus))
		return;
	down_read(&pci_bus_sem);
	last = list_is_singular(&pdev->bus->devices);
	up_read(&pci_bus_sem);
	if (last)
		xa_erase(&root_buses, root_key(pdev->bus));
}

/**
 * p2pdma_hostbridge_scan - look at every host bridge there is
 *
 * Context: process context, may sleep.
 */
void p2pdma_hostbridge_scan(void)
{
	struct pci_dev *pdev = NULL;

	WRITE_ONCE(scanned, true);
	for_each_pci_dev(pdev)
		p2pdma_hostbridge_learn(pdev);
}

static unsigned int root_routes(struct pci_bus *root)
{
	void *entry = xa_load(&root_buses, root_key(root));

	if (entry)
		return xa_to_value(entry);
	/* Nobody may stand for a bus; the CPU is known all the same. */
	return READ_ONCE(forgetful) ? 0 : cpu_routes();
}

/**
 * p2pdma_hostbridge - does the root complex route between two of its ports?
 * @client_top: the client's last ancestor, on a root bus
 * @provider_top: the same for the provider
 * @routes: P2PDMA_ROUTES_READS and P2PDMA_ROUTES_WRITES, as far as it does
 *
 * Context: any; takes no lock.
 * Return: P2PDMA_REASON_ROOT_COMPLEX when it routes both, else why not.
 */
enum p2pdma_reason p2pdma_hostbridge(struct pci_dev *client_top,
				     struct pci_dev *provider_top,
				     unsigned int *routes)
{
	struct pci_bus *client = client_top->bus, *provider = provider_top->bus;
	unsigned int both = root_routes(client) & root_routes(provider);

	*routes = both & WITHIN;
	if (!*routes)
		return P2PDMA_REASON_ROOT_UNKNOWN;
	if (client != provider && !(both & P2PDMA_ROUTES_BETWEEN)) {
		*routes = 0;
		return P2PDMA_REASON_ROOT_DIFFERS;
	}
	if (*routes == P2PDMA_ROUTES_READS)
		return P2PDMA_REASON_ROOT_READS;
	if (*routes == P2PDMA_ROUTES_WRITES)
		return P2PDMA_REASON_ROOT_WRITES;
	return P2PDMA_REASON_ROOT_COMPLEX;
}

/* ---- the administrator's policy ---- */

static const struct {
	const char *word;
	u8 routes;
} policy_words[] = {
	{ "reads", P2PDMA_ROUTES_READS },
	{ "writes", P2PDMA_ROUTES_WRITES },
	{ "between", P2PDMA_ROUTES_BETWEEN },
};

/* VENDOR:DEVICE[=WORD[+WORD]...]; @text is cut into pieces */
static int parse_policy(char *text, struct policy *policy)
{
	char *ids = strsep(&text, "="), *vendor = strsep(&ids, ":"), *word;
	unsigned int i;

	if (!ids || kstrtou16(vendor, 16, &policy->vendor) ||
	    kstrtou16(ids, 16, &policy->device))
		return -EINVAL;
	policy->routes = text ? 0 : WITHIN;
	if (text && !strcmp(text, "none"))
		return 0;
	while ((word = strsep(&text, "+"))) {
		for (i = 0; i < ARRAY_SIZE(policy_words); i++)
			if (!strcmp(word, policy_words[i].word))
				break;
		if (i == ARRAY_SIZE(policy_words))
			return -EINVAL;
		policy->routes |= policy_words[i].routes;
	}
	return policy->routes & WITHIN ? 0 : -EINVAL;
}

/* Runs at boot, too, long before there is anything to allocate from. */
static int policy_set(const char *value, const struct kernel_param *kp)
{
	struct policy new[MAX_POLICIES];
	unsigned int count = 0;
	char buf[256], *rest, *text;

	if (strscpy(buf, value, sizeof(buf)) < 0) {
		pr_err("P2PDMA: host_bridges=: longer than %zu characters\n",
		       sizeof(buf) - 1);
		return -EINVAL;
	}
	rest = strim(buf);
	if (!*rest)
		rest = NULL;
	while ((text = strsep(&rest, ","))) {
		if (count == MAX_POLICIES || parse_policy(text, &new[count])) {
			pr_err("P2PDMA: host_bridges=%s: entry %u: use up to %u of VENDOR:DEVICE[=none|reads+writes+between]\n",
			       value, count + 1, MAX_POLICIES);
			return -EINVAL;
		}
		count++;
	}
	scoped_guard(mutex, &learn_lock) {
		memcpy(policies, new, count * sizeof(*new));
		policy_count = count;
	}
	if (READ_ONCE(scanned)) {
		p2pdma_hostbridge_scan();
		pci_p2pdma_topology_changed();
	}
	return 0;
}

static int policy_get(char *buffer, const struct kernel_param *kp)
{
	unsigned int i, j;
	int len = 0;
	char sep;

	guard(mutex)(&learn_lock);
	for (i = 0; i < policy_count; i++) {
		len += sysfs_emit_at(buffer, len, "%s%04x:%04x", i ? "," : "",
				     policies[i].vendor, policies[i].device);
		sep = '=';
		for (j = 0; j < ARRAY_SIZE(policy_words); j++) {
			if (!(policies[i].routes & policy_words[j].routes))
				continue;
			len += sysfs_emit_at(buffer, len, "%c%s", sep,
					     policy_words[j].word);
			sep = '+';
		}
		if (sep == '=')
			len += sysfs_emit_at(buffer, len, "=none");
	}
	return len + sysfs_emit_at(buffer, len, "\n");
}

static const struct kernel_param_ops policy_ops = {
	.set = policy_set,
	.get = policy_get,
};

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "pci_p2pdma."
module_param_cb(host_bridges, &policy_ops, NULL, 0644);
MODULE_PARM_DESC(host_bridges,
		 "What host bridges route, over what the kernel knows: VENDOR:DEVICE[=none|reads+writes+between],...");
