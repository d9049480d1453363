// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: what the root complex routes
 *
 * What the root complex may do.
 *
 * PCIe leaves it to the root complex whether it routes requests between its
 * ports (r6.0, sec 1.3.1), and nothing in config space tells.  So only those
 * that are known to do it count: by what the administrator says, by what
 * firmware says, by the CPU, or by the ids of the device that stands for the
 * host bridge; whoever comes first here decides.
 *
 * To look at the devices of a root bus takes pci_bus_sem, which a mapping
 * must not.  So what each root bus may do is worked out when its devices
 * appear, and kept by segment and bus number.
 */
#include <linux/cleanup.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/processor.h>
#include <linux/property.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "../pci.h"
#include "hostbridge.h"

/* What firmware says: a list of the words below, on the host bridge */
#define FIRMWARE_PROPERTY	"linux,pci-p2pdma-routes"

#define KNOWN(vendor, device, routes)	\
	{ PCI_DEVICE(vendor, device), .driver_data = routes }

/* Without P2PDMA_ROUTES_BETWEEN: within one host bridge only */
#define WITHIN	(P2PDMA_ROUTES_READS | P2PDMA_ROUTES_WRITES)
#define ALL	(WITHIN | P2PDMA_ROUTES_BETWEEN)

#define GOOGLE	0x1ae0

static const struct pci_device_id known_bridges[] = {
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

const struct p2pdma_route_word p2pdma_route_words[P2PDMA_ROUTE_WORDS] = {
	{ "reads", P2PDMA_ROUTES_READS },
	{ "writes", P2PDMA_ROUTES_WRITES },
	{ "between", P2PDMA_ROUTES_BETWEEN },
};

/**
 * struct root_bus - what is known of one root bus
 * @has_id: a device stands for its host bridge, or did so
 * @devfn: device and function number of that
 * @vendor: vendor id of the same
 * @device: device id of the same
 * @table: P2PDMA_ROUTES_* by the table of the kernel, 0 if it is not there
 * @has_firmware: firmware says something
 * @firmware: P2PDMA_ROUTES_* by firmware
 * @routes: P2PDMA_ROUTES_*, all considered
 * @source: enum p2pdma_root_source, who says so
 * @rcu: freed after a grace period, as it is looked up under RCU
 *
 * Not changed once it is in root_buses, but replaced.
 */
struct root_bus {
	bool has_id;
	u8 devfn;
	u16 vendor;
	u16 device;
	u8 table;
	bool has_firmware;
	u8 firmware;
	u8 routes;
	u8 source;
	struct rcu_head rcu;
};

/* Root buses seen: segment << 8 | bus number -> struct root_bus */
static DEFINE_XARRAY(root_buses);

const char * const p2pdma_root_source_names[P2PDMA_ROOT_SOURCES] = {
	[P2PDMA_ROOT_UNKNOWN]	= "unknown",
	[P2PDMA_ROOT_TABLE]	= "table",
	[P2PDMA_ROOT_CPU]	= "cpu",
	[P2PDMA_ROOT_POLICY]	= "policy",
	[P2PDMA_ROOT_FIRMWARE]	= "firmware",
};

/* All written under root_bus_lock and policy_lock, read under one of them */
static struct p2pdma_policy policies[P2PDMA_POLICIES];
static unsigned int policy_count;
static bool policies_left_out;

/* Protects root_buses, also against a change of policies meanwhile */
static DEFINE_MUTEX(root_bus_lock);

/* Inside root_bus_lock: for whoever explains a route, in any context */
static DEFINE_SPINLOCK(policy_lock);

/* Before that, a policy is for later; see p2pdma_hostbridge_scan(). */
static bool scanned;

/* A bus could not be stored; one without entry may be it from then on. */
static bool root_bus_lost;

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
static bool represents_bridge(struct pci_dev *pdev)
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

static const struct p2pdma_policy *policy_of(const struct root_bus *bus)
{
	unsigned int i;

	lockdep_assert_held(&root_bus_lock);
	for (i = 0; bus->has_id && i < policy_count; i++)
		if (policies[i].vendor == bus->vendor &&
		    policies[i].device == bus->device)
			return &policies[i];
	return NULL;
}

/*
 * What the table says of @pdev.  An entry for all devices of a vendor is about
 * what leads to a root complex, not about functions that happen to be in one,
 * such as a virtual network card.
 */
static u8 table_routes(struct pci_dev *pdev)
{
	const struct pci_device_id *id = pci_match_id(known_bridges, pdev);

	if (!id || (id->device == PCI_ANY_ID &&
		    pdev->class >> 16 != PCI_BASE_CLASS_BRIDGE))
		return 0;
	return id->driver_data;
}

/*
 * What firmware says of the host bridge of @pdev, be it a device tree, ACPI
 * (_DSD) or the code of a controller that adds a software node; false if
 * nothing.  ACPI has no table for it: what its HMAT describes is how near
 * memory is to processors.
 */
static bool firmware_routes(struct pci_dev *pdev, u8 *routes)
{
	struct device *bridge = &pci_find_host_bridge(pdev->bus)->dev;
	unsigned int i;

	/* The node of a device tree is its controller's, ACPI's its own. */
	if (!device_property_present(bridge, FIRMWARE_PROPERTY))
		bridge = bridge->parent;
	if (!bridge || !device_property_present(bridge, FIRMWARE_PROPERTY))
		return false;
	*routes = 0;
	for (i = 0; i < P2PDMA_ROUTE_WORDS; i++)
		if (device_property_match_string(bridge, FIRMWARE_PROPERTY,
						 p2pdma_route_words[i].word) >= 0)
			*routes |= p2pdma_route_words[i].routes;
	return true;
}

/* Wrongly said, it loses data without any error; @pdev is on the bus. */
static void warn_override(struct pci_dev *pdev, const struct root_bus *bus)
{
	if (bus->routes & WITHIN &&
	    (bus->source == P2PDMA_ROOT_POLICY ||
	     bus->source == P2PDMA_ROOT_FIRMWARE))
		pci_warn(pdev, "host bridge taken to route%s%s of peers%s, as %s\n",
			 bus->routes & P2PDMA_ROUTES_READS ? " reads" : "",
			 bus->routes & P2PDMA_ROUTES_WRITES ? " writes" : "",
			 bus->routes & P2PDMA_ROUTES_BETWEEN ?
			 ", and to and from other host bridges" : "",
			 bus->source == P2PDMA_ROOT_POLICY ?
			 "host_bridges= says" : "firmware says");
}

/* Who comes first decides. */
static void root_bus_decide(struct root_bus *bus)
{
	const struct p2pdma_policy *policy = policy_of(bus);

	if (policy) {
		bus->routes = policy->routes;
		bus->source = P2PDMA_ROOT_POLICY;
	} else if (policies_left_out) {
		bus->routes = 0;
		bus->source = P2PDMA_ROOT_POLICY;
	} else if (bus->has_firmware) {
		bus->routes = bus->firmware;
		bus->source = P2PDMA_ROOT_FIRMWARE;
	} else if (cpu_routes()) {
		bus->routes = cpu_routes();
		bus->source = P2PDMA_ROOT_CPU;
	} else {
		bus->routes = bus->table;
		bus->source = bus->table ? P2PDMA_ROOT_TABLE :
					   P2PDMA_ROOT_UNKNOWN;
	}
}

/* Store @new for the root bus of @pdev. */
static void root_bus_store(struct pci_dev *pdev, const struct root_bus *new)
{
	struct root_bus *bus, *old = NULL;

	lockdep_assert_held(&root_bus_lock);
	bus = kmemdup(new, sizeof(*new), GFP_KERNEL);
	if (bus)
		old = xa_store(&root_buses, root_key(pdev->bus), bus, GFP_KERNEL);
	/*
	 * Without memory for it the bus stays unknown: refused, not wrong, and
	 * not what the CPU alone would do where the administrator said "none".
	 */
	if (!bus || xa_is_err(old)) {
		WRITE_ONCE(root_bus_lost, true);
		kfree(bus);
		old = xa_erase(&root_buses, root_key(pdev->bus));
	}
	if (old)
		kfree_rcu(old, rcu);
}

/**
 * p2pdma_hostbridge_add - a PCI device has appeared
 * @pdev: the device
 *
 * Context: process context, may sleep.  The device is on its bus.
 */
void p2pdma_hostbridge_add(struct pci_dev *pdev)
{
	const struct root_bus *old;
	struct root_bus new = {};

	if (!pci_is_root_bus(pdev->bus))
		return;
	new.has_id = represents_bridge(pdev);
	if (new.has_id) {
		new.devfn = pdev->devfn;
		new.vendor = pdev->vendor;
		new.device = pdev->device;
		new.table = table_routes(pdev);
	}
	new.has_firmware = firmware_routes(pdev, &new.firmware);
	/* Nothing but firmware knows a bus by who does not stand for it. */
	if (!new.has_id && !new.has_firmware)
		return;

	guard(mutex)(&root_bus_lock);
	old = xa_load(&root_buses, root_key(pdev->bus));
	/* Who comes first on the bus when 00.0 has been removed does not inherit. */
	if (old && (!new.has_id ||
		    (old->has_id && new.devfn && new.devfn != old->devfn)))
		return;
	root_bus_decide(&new);
	warn_override(pdev, &new);
	root_bus_store(pdev, &new);
}

/* Go by another policy, also for a bus whose 00.0 has been removed. */
static void root_bus_decide_again(struct pci_dev *pdev)
{
	const struct root_bus *old;
	struct root_bus new;

	guard(mutex)(&root_bus_lock);
	old = xa_load(&root_buses, root_key(pdev->bus));
	if (!old)
		return;
	new = *old;
	root_bus_decide(&new);
	if (new.routes == old->routes && new.source == old->source)
		return;
	warn_override(pdev, &new);
	root_bus_store(pdev, &new);
}

/**
 * p2pdma_hostbridge_remove - a PCI device goes away
 * @pdev: the device
 *
 * What was learnt of a root bus outlives the device that stood for it: the
 * bridge is there as long as anything behind it is, and what the administrator
 * forbade must not come back because one of its functions was removed.
 *
 * Context: process context, may sleep.  The device is still on its bus.
 */
void p2pdma_hostbridge_remove(struct pci_dev *pdev)
{
	struct root_bus *old;
	bool last;

	if (!pci_is_root_bus(pdev->bus))
		return;
	down_read(&pci_bus_sem);
	last = list_is_singular(&pdev->bus->devices);
	up_read(&pci_bus_sem);
	if (!last)
		return;
	guard(mutex)(&root_bus_lock);
	old = xa_erase(&root_buses, root_key(pdev->bus));
	if (old)
		kfree_rcu(old, rcu);
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
		p2pdma_hostbridge_add(pdev);
}

/**
 * p2pdma_hostbridge_get - what is known of a host bridge
 * @top: a device on its root bus
 * @root: filled in
 *
 * Context: any; takes no lock.
 */
void p2pdma_hostbridge_get(struct pci_dev *top, struct p2pdma_root *root)
{
	const struct root_bus *bus;

	*root = (struct p2pdma_root){};
	guard(rcu)();
	bus = xa_load(&root_buses, root_key(top->bus));
	if (bus) {
		root->has_id = bus->has_id;
		root->vendor = bus->vendor;
		root->device = bus->device;
		root->routes = bus->routes;
		root->source = bus->source;
	} else if (!READ_ONCE(root_bus_lost) && cpu_routes()) {
		/* Nobody may stand for a bus; the CPU is known all the same. */
		root->routes = cpu_routes();
		root->source = P2PDMA_ROOT_CPU;
	}
}

static enum p2pdma_reason refusal_reason(const struct p2pdma_root *root)
{
	return root->source == P2PDMA_ROOT_POLICY ||
	       root->source == P2PDMA_ROOT_FIRMWARE ?
	       P2PDMA_REASON_ROOT_FORBIDDEN : P2PDMA_REASON_ROOT_UNKNOWN;
}

/**
 * p2pdma_hostbridge_routes - does the root complex route between two of its
 * ports?
 * @client_top: the client's last ancestor, on a root bus
 * @provider_top: the same for the provider
 * @routes: P2PDMA_ROUTES_READS and P2PDMA_ROUTES_WRITES, as far as it does
 * @decides: of these two the one whose host bridge is the reason
 *
 * Context: any; takes no lock.
 * Return: P2PDMA_REASON_ROOT_COMPLEX when it routes both, else why not.
 */
enum p2pdma_reason p2pdma_hostbridge_routes(struct pci_dev *client_top,
					    struct pci_dev *provider_top,
					    unsigned int *routes,
					    struct pci_dev **decides)
{
	struct p2pdma_root client, provider;
	unsigned int both;

	p2pdma_hostbridge_get(client_top, &client);
	p2pdma_hostbridge_get(provider_top, &provider);
	both = client.routes & provider.routes;

	*routes = 0;
	*decides = client_top;
	if (!(client.routes & WITHIN))
		return refusal_reason(&client);
	if (!(provider.routes & WITHIN)) {
		*decides = provider_top;
		return refusal_reason(&provider);
	}
	if (!(both & WITHIN))
		return P2PDMA_REASON_ROOT_DIFFERS;
	if (client_top->bus != provider_top->bus &&
	    !(both & P2PDMA_ROUTES_BETWEEN)) {
		if (client.routes & P2PDMA_ROUTES_BETWEEN)
			*decides = provider_top;
		return P2PDMA_REASON_ROOT_DIFFERS;
	}
	*routes = both & WITHIN;
	if (*routes == WITHIN)
		return P2PDMA_REASON_ROOT_COMPLEX;
	if ((client.routes & WITHIN) == WITHIN)
		*decides = provider_top;
	return *routes == P2PDMA_ROUTES_READS ? P2PDMA_REASON_ROOT_READS :
						P2PDMA_REASON_ROOT_WRITES;
}

/**
 * p2pdma_hostbridge_set_policies - go by other policies from now on
 * @new: the policies
 * @count: their number
 * @left_out: there are more, so host bridges that are not among these route
 *	nothing
 *
 * Context: process context, may sleep.
 * Return: true if routes may have changed by that; false at boot, when no bus
 * has been scanned yet.
 */
bool p2pdma_hostbridge_set_policies(const struct p2pdma_policy *new,
				    unsigned int count, bool left_out)
{
	struct pci_dev *pdev = NULL;

	scoped_guard(mutex, &root_bus_lock) {
		guard(spinlock_irqsave)(&policy_lock);
		policy_count = count;
		policies_left_out = left_out;
		memcpy(policies, new, policy_count * sizeof(*new));
	}
	if (!READ_ONCE(scanned))
		return false;
	/* What is known of a bus goes with the last device there. */
	for_each_pci_dev(pdev)
		if (pci_is_root_bus(pdev->bus))
			root_bus_decide_again(pdev);
	return true;
}

/**
 * p2pdma_hostbridge_get_policies - what the administrator says
 * @copy: room for P2PDMA_POLICIES
 * @left_out: whether host bridges that are not among them route nothing
 *
 * Context: any.
 * Return: number of policies.
 */
unsigned int p2pdma_hostbridge_get_policies(struct p2pdma_policy *copy,
					    bool *left_out)
{
	guard(spinlock_irqsave)(&policy_lock);
	*left_out = policies_left_out;
	memcpy(copy, policies, policy_count * sizeof(*copy));
	return policy_count;
}
