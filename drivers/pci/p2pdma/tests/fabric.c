// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PCI fabric made of memory: its description, and its life.
 *
 * Who owns what.  struct fabric owns hosts, buses and functions; all of them
 * live until the test ends, also what has been unplugged meanwhile, so that
 * whoever still has a pointer sees old data and not freed memory.  What the
 * kernel makes of them (host bridges, struct pci_devs) comes with
 * fabric_scan() and goes with fabric_unplug() or the end of the test.
 */
#define DEBUG			/* pr_debug() in hush() is to print */
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/ioport.h>
#include <linux/kref.h>
#include <linux/memory_hotplug.h>
#include <linux/nodemask.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/processor.h>
#include <linux/property.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../../pci.h"
#include "fabric.h"

/* Where windows are looked for: above anything that is RAM in a test VM */
#define WINDOWS_FROM		(256ULL * SZ_1G)
#define SIZE32			SZ_256M
#define BUS_ADDRESS32		0x80000000ULL

/*
 * Scanning prints a line or more per device, which would drown the results of
 * the tests.  What was printed before goes out first: KUnit's lines have no
 * newline, and such a one stays back until there is another.  No assertion
 * meanwhile: one that fails leaves without undoing this.
 */
static int hush(void)
{
	int level = console_loglevel;

	pr_debug("p2pdma: the fabric changes\n");
	pr_flush(1000, true);
	console_loglevel = min(level, LOGLEVEL_NOTICE);
	return level;
}

DEFINE_CLASS(hushed, int, console_loglevel = _T, hush(), void)

/*
 * Buses keep the numbers that are described, which stand for firmware's: drivers
 * of host bridges for device trees have all of them assigned anew.
 */
static int keep_numbers(void)
{
	int flags = pci_has_flag(PCI_REASSIGN_ALL_BUS);

	pci_clear_flags(flags);
	return flags;
}

DEFINE_CLASS(numbered, int, pci_add_flags(_T), keep_numbers(), void)

/* ---- the driver ---- */

static int fabric_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	const struct bus_dma_region *map;
	unsigned int n = 0;

	if (pdev->bus->ops != &fabric_config_ops)
		return -ENODEV;
	map = fabric_host_of(pdev->bus)->dma_map;
	/* It goes with the device. */
	if (map && !pdev->dev.dma_range_map) {
		while (map[n++].size)
			;
		pdev->dev.dma_range_map = kmemdup_array(map, n, sizeof(*map),
							GFP_KERNEL);
		if (!pdev->dev.dma_range_map)
			return -ENOMEM;
	}
	/* As firmware says of most; x86 has no others */
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
	pdev->dev.dma_coherent = true;
#endif
	return dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
}

static const struct pci_device_id fabric_ids[] = {
	{ PCI_DEVICE(FABRIC_VENDOR, FABRIC_DEVICE) },
	{ }
};

static struct pci_driver fabric_driver = {
	.name = "pci-fabric",
	.id_table = fabric_ids,
	.probe = fabric_probe,
};

/* ---- the picture ---- */

static struct fabric_bus *bus_alloc(struct fabric_host *host,
				    struct fabric_fn *bridge)
{
	struct fabric_bus *bus = kzalloc(sizeof(*bus), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(host->fabric->test, bus);
	bus->host = host;
	bus->bridge = bridge;
	return bus;
}

static struct fabric_fn *fn_alloc(struct fabric_host *host, u8 type)
{
	struct fabric_fn *fn = kzalloc(sizeof(*fn), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(host->fabric->test, fn);
	fn->host = host;
	fn->type = type;
	fn->vendor = FABRIC_VENDOR;
	fn->device = FABRIC_DEVICE;
	fn->class = PCI_CLASS_MEMORY_OTHER << 8;
	list_add_tail(&fn->node, &host->fabric->fns);
	return fn;
}

/* Put a new function at the first free place from @devfn on, by @step. */
static struct fabric_fn *fn_on(struct fabric_bus *bus, u8 type, int devfn,
			       int step)
{
	struct fabric_fn *fn;

	while (devfn < 256 && bus->fn[devfn])
		devfn += step;
	KUNIT_ASSERT_LT_MSG(bus->host->fabric->test, devfn, 256,
			    "no free place on the bus");
	fn = fn_alloc(bus->host, type);
	fn->bus = bus;
	fn->devfn = devfn;
	bus->fn[devfn] = fn;
	bus->end = max(bus->end, devfn + 1U);
	return fn;
}

static struct fabric_fn *bridge_on(struct fabric_bus *bus, u8 type, int devfn,
				   int step)
{
	struct fabric_fn *fn = fn_on(bus, type, devfn, step);

	fn->device = 0x000c;
	fn->class = PCI_CLASS_BRIDGE_PCI_NORMAL;
	fn->port = bus->host->fabric->ports++;
	fn->below = bus_alloc(bus->host, fn);
	return fn;
}

static struct fabric_fn *device_on(struct fabric_bus *bus, u8 type, int devfn,
				   int step)
{
	struct fabric_fn *fn = fn_on(bus, type, devfn, step);

	fn->bar[0].size = SZ_2M;
	fn->bar[0].flags = FABRIC_BAR_64 | FABRIC_BAR_PREFETCH;
	return fn;
}

static struct fabric_host *host_alloc(struct fabric *fabric, int domain,
				      u8 first_bus, u8 last_bus)
{
	struct fabric_host *host = kzalloc(sizeof(*host), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(fabric->test, host);
	host->fabric = fabric;
	host->domain = domain;
	host->first_bus = first_bus;
	host->last_bus = last_bus;
	host->size64 = SZ_4G;
	list_add_tail(&host->node, &fabric->hosts);
	host->root = bus_alloc(host, NULL);
	return host;
}

/**
 * host_bridge - a root complex, with a segment of its own
 * @fabric: where
 *
 * Nothing is on its root bus yet, and nothing tells that it routes between
 * root ports: see root_device().
 *
 * Return: the host bridge.
 */
struct fabric_host *host_bridge(struct fabric *fabric)
{
	return host_alloc(fabric, FABRIC_DOMAIN + fabric->domains++, 0, 0xff);
}

/**
 * host_bridge_beside - another host bridge in the same segment
 * @host: the first one; has no other beside it, and is not scanned yet
 *
 * Return: the host bridge, from bus 0x80 on.
 */
struct fabric_host *host_bridge_beside(struct fabric_host *host)
{
	host->last_bus = 0x7f;
	return host_alloc(host->fabric, host->domain, 0x80, 0xff);
}

/**
 * root_device - what stands at 00.0 for the host bridge itself
 * @host: host bridge
 * @vendor: vendor id
 * @device: device id
 *
 * Return: the function; no PCIe one.
 */
struct fabric_fn *root_device(struct fabric_host *host, u16 vendor, u16 device)
{
	struct fabric_fn *fn;

	KUNIT_ASSERT_NULL(host->fabric->test, host->root->fn[0]);
	fn = fn_on(host->root, FABRIC_CONVENTIONAL, 0, 8);
	fn->vendor = vendor;
	fn->device = device;
	fn->class = PCI_CLASS_BRIDGE_HOST << 8;
	return fn;
}

/**
 * root_port - a root port of its own device, from 01.0 on
 * @host: host bridge
 *
 * Return: the port.
 */
struct fabric_fn *root_port(struct fabric_host *host)
{
	return bridge_on(host->root, PCI_EXP_TYPE_ROOT_PORT, PCI_DEVFN(1, 0), 8);
}

/**
 * root_endpoint - an endpoint integrated in the root complex
 * @host: host bridge
 *
 * Return: the endpoint.
 */
struct fabric_fn *root_endpoint(struct fabric_host *host)
{
	return device_on(host->root, PCI_EXP_TYPE_RC_END, PCI_DEVFN(1, 0), 8);
}

/**
 * root_function - any function with a header of type 0 on a root bus
 * @host: host bridge
 * @type: PCI_EXP_TYPE_*, also that of a root port, or FABRIC_CONVENTIONAL
 *
 * Return: the function, from 01.0 on, with a BAR as endpoint_under() has.
 */
struct fabric_fn *root_function(struct fabric_host *host, u8 type)
{
	return device_on(host->root, type, PCI_DEVFN(1, 0), 8);
}

/**
 * root_bridge - a bridge on a root bus that is no root port
 * @host: host bridge
 * @type: FABRIC_CONVENTIONAL or PCI_EXP_TYPE_PCI_BRIDGE
 *
 * Return: the bridge, from 01.0 on; see conventional_under().
 */
struct fabric_fn *root_bridge(struct fabric_host *host, u8 type)
{
	return bridge_on(host->root, type, PCI_DEVFN(1, 0), 8);
}

/**
 * switch_under - a switch
 * @port: root port, or downstream port of another switch
 * @ports: number of its downstream ports, up to 32
 *
 * Return: its upstream port; see downstream().
 */
struct fabric_fn *switch_under(struct fabric_fn *port, unsigned int ports)
{
	struct fabric_fn *up;
	unsigned int i;

	up = bridge_on(port->below, PCI_EXP_TYPE_UPSTREAM, 0, 1);
	for (i = 0; i < ports; i++)
		bridge_on(up->below, PCI_EXP_TYPE_DOWNSTREAM, 0, 8);
	return up;
}

/**
 * downstream - a downstream port of a switch
 * @sw: its upstream port
 * @i: which one, from 0
 *
 * Return: the port.
 */
struct fabric_fn *downstream(struct fabric_fn *sw, unsigned int i)
{
	KUNIT_ASSERT_LT(sw->host->fabric->test, i, 32);
	KUNIT_ASSERT_NOT_NULL(sw->host->fabric->test,
			      sw->below->fn[PCI_DEVFN(i, 0)]);
	return sw->below->fn[PCI_DEVFN(i, 0)];
}

/**
 * endpoint_under - an endpoint with a 64-bit prefetchable BAR of 2 MiB
 * @port: root port or downstream port with nothing below it
 *
 * Return: the endpoint.
 */
struct fabric_fn *endpoint_under(struct fabric_fn *port)
{
	KUNIT_ASSERT_NULL(port->host->fabric->test, port->below->fn[0]);
	return device_on(port->below, PCI_EXP_TYPE_ENDPOINT, 0, 1);
}

/**
 * function_beside - one more function of the same device, as endpoint_under()
 * @fn: a function of the device
 *
 * Return: the function.
 */
struct fabric_fn *function_beside(struct fabric_fn *fn)
{
	u8 type = fn->below ? PCI_EXP_TYPE_ENDPOINT : fn->type;

	return device_on(fn->bus, type, fn->devfn + 1, 1);
}

/**
 * pci_bridge_under - a PCIe to PCI bridge
 * @port: root port or downstream port
 *
 * Return: the bridge; conventional_under() puts devices on its bus.
 */
struct fabric_fn *pci_bridge_under(struct fabric_fn *port)
{
	return bridge_on(port->below, PCI_EXP_TYPE_PCI_BRIDGE, 0, 1);
}

/**
 * conventional_under - a conventional device
 * @bridge: bridge to its bus
 *
 * Return: the device.
 */
struct fabric_fn *conventional_under(struct fabric_fn *bridge)
{
	return device_on(bridge->below, FABRIC_CONVENTIONAL, 0, 8);
}

/**
 * conventional_bridge_under - a bridge from conventional bus to another
 * @bridge: bridge to the first bus
 *
 * Return: the bridge.
 */
struct fabric_fn *conventional_bridge_under(struct fabric_fn *bridge)
{
	return bridge_on(bridge->below, FABRIC_CONVENTIONAL, 0, 8);
}

/**
 * with_acs - give a function an ACS capability
 * @fn: function
 * @ctrl: controls that are on from the start
 *
 * It can do all that ACS has, with an egress vector that lets all pass.
 *
 * Return: @fn.
 */
struct fabric_fn *with_acs(struct fabric_fn *fn, u16 ctrl)
{
	fn->acs = true;
	fn->acs_cap = FABRIC_ACS_ALL;
	fn->acs_ctrl = ctrl;
	return fn;
}

/**
 * placed_at - give a function another device and function number
 * @fn: function, not scanned; nothing else is in that place
 * @slot: device number
 * @func: function number
 *
 * Return: @fn.
 */
struct fabric_fn *placed_at(struct fabric_fn *fn, u8 slot, u8 func)
{
	u8 devfn = PCI_DEVFN(slot, func);

	KUNIT_ASSERT_NULL(fn->host->fabric->test, fn->pdev);
	fn->bus->fn[fn->devfn] = NULL;
	KUNIT_ASSERT_NULL(fn->host->fabric->test, fn->bus->fn[devfn]);
	fn->bus->fn[devfn] = fn;
	fn->devfn = devfn;
	fn->bus->end = max(fn->bus->end, devfn + 1U);
	return fn;
}

#ifdef CONFIG_X86
static void restore_cpu(void *vfm)
{
	boot_cpu_data.x86_vfm = (unsigned long)vfm;
}

/**
 * fabric_cpu - be another CPU until the test ends
 * @test: test
 * @amd: one of AMD's; else one of Intel's
 * @family: its family
 */
void fabric_cpu(struct kunit *test, bool amd, unsigned int family)
{
	void *vfm = (void *)(unsigned long)boot_cpu_data.x86_vfm;

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, restore_cpu, vfm));
	boot_cpu_data.x86_vendor = amd ? X86_VENDOR_AMD : X86_VENDOR_INTEL;
	boot_cpu_data.x86 = family;
}
#endif

/**
 * quirky_port - make a port one that redirects without an ACS capability
 * @port: root port or downstream port
 *
 * Zhaoxin's do; see pci_quirk_zhaoxin_pcie_ports_acs().
 *
 * Return: @port.
 */
struct fabric_fn *quirky_port(struct fabric_fn *port)
{
	port->vendor = PCI_VENDOR_ID_ZHAOXIN;
	port->device = 0x0710;
	port->acs_always = PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF;
	return port;
}

/**
 * with_vfs - make a function a physical one
 * @fn: function, to which with_acs() etc. have been applied
 * @num: how many virtual functions it can have
 * @offset: routing id of the first minus that of @fn; those of the others
 *	follow
 *
 * The virtual functions look like @fn.
 *
 * Return: @fn; see fabric_enable_vfs().
 */
struct fabric_fn *with_vfs(struct fabric_fn *fn, u16 num, u16 offset)
{
	struct kunit *test = fn->host->fabric->test;
	struct fabric_fn *vf;
	int i;

	fn->vf = kcalloc(num, sizeof(*fn->vf), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fn->vf);
	fn->num_vfs = num;
	fn->vf_offset = offset;
	fn->vf_stride = 1;
	for (i = 0; i < num; i++) {
		vf = fn_alloc(fn->host, fn->type);
		vf->bus = fn->bus;
		vf->pf = fn;
		vf->devfn = fn->devfn + offset + i;
		vf->acs = fn->acs;
		vf->acs_cap = fn->acs_cap;
		vf->acs_ctrl = fn->acs_ctrl;
		memcpy(vf->bar, fn->bar, sizeof(vf->bar));
		fn->vf[i] = vf;
	}
	return fn;
}

/* ---- the kernel's view of it ---- */

static int take_pdev(struct pci_dev *pdev, void *data)
{
	struct fabric_fn *fn;
	unsigned long flags;

	raw_spin_lock_irqsave(&fabric_config_lock, flags);
	fn = fabric_config_target(data, pdev->bus->number, pdev->devfn);
	if (fn && !fn->pdev)
		fn->pdev = pci_dev_get(pdev);
	raw_spin_unlock_irqrestore(&fabric_config_lock, flags);
	return 0;
}

static void drop_pdev(struct fabric_fn *fn)
{
	pci_dev_put(fn->pdev);
	fn->pdev = NULL;
}

static bool present(const struct fabric_fn *fn)
{
	return fn->bus->fn[fn->devfn] == fn &&
	       (!fn->bus->bridge || present(fn->bus->bridge));
}

/* All that is described is there, and has addresses. */
static void check_pdevs(struct fabric_host *host)
{
	struct kunit *test = host->fabric->test;
	struct fabric_fn *fn;
	struct resource *res;
	int i;

	pci_walk_bus(host->bridge->bus, take_pdev, host);
	list_for_each_entry(fn, &host->fabric->fns, node) {
		if (fn->host != host || !present(fn))
			continue;
		KUNIT_ASSERT_NOT_NULL_MSG(test, fn->pdev,
					  "%02x.%d was not found",
					  PCI_SLOT(fn->devfn),
					  PCI_FUNC(fn->devfn));
		for (i = 0; i < PCI_STD_NUM_BARS; i++) {
			if (!fn->bar[i].size || fn->bar[i].flags & FABRIC_BAR_IO)
				continue;
			res = &fn->pdev->resource[i];
			KUNIT_ASSERT_EQ_MSG(test, !res->parent,
					    fn->bar[i].unassigned,
					    "%s: address of BAR %d: %pR",
					    pci_name(fn->pdev), i, res);
		}
	}
}

static int host_windows(struct fabric_host *host)
{
	u64 last = mhp_get_pluggable_range(true).end;
	struct resource *res = &host->mem64;
	int error;

	*res = DEFINE_RES_NAMED(0, 0, "p2pdma fabric", IORESOURCE_MEM |
				IORESOURCE_PREFETCH | IORESOURCE_MEM_64);
	error = allocate_resource(&iomem_resource, res, host->size64,
				  host->start64 ?: WINDOWS_FROM,
				  host->start64 ? host->start64 +
						  host->size64 - 1 : last,
				  host->start64 ? 1 : host->size64, NULL, NULL);
	if (error)
		return error;
	res = &host->mem32;
	*res = DEFINE_RES_NAMED(0, 0, "p2pdma fabric", IORESOURCE_MEM);
	error = allocate_resource(&iomem_resource, res, SIZE32, WINDOWS_FROM,
				  last, SIZE32, NULL, NULL);
	if (error) {
		release_resource(&host->mem64);
		host->mem64.parent = NULL;
	}
	return error;
}

/*
 * Goes with @dev.  That gets a parent, as x86 takes the node of one without for
 * ACPI's, of which there is none.
 */
static int host_firmware(struct fabric_host *host, struct device *dev)
{
	struct property_entry props[2] = {};
	unsigned int n = 0;

	if (!host->firmware)
		return 0;
	host->parent = root_device_register("p2pdma-fabric");
	if (IS_ERR(host->parent))
		return PTR_ERR(host->parent);
	dev->parent = host->parent;
	while (host->firmware[n])
		n++;
	props[0] = PROPERTY_ENTRY_STRING_ARRAY_LEN("linux,pci-p2pdma-routes",
						   host->firmware, n);
	return device_create_managed_software_node(host->firmware_above ?
						   host->parent : dev,
						   props, NULL);
}

static int host_scan(struct fabric_host *host)
{
	struct pci_host_bridge *bridge;
	int error;

	CLASS(hushed, level)();
	CLASS(numbered, flags)();
	error = host_windows(host);
	if (error)
		return error;
	bridge = pci_alloc_host_bridge(0);
	if (!bridge)
		return -ENOMEM;

	host->busn = DEFINE_RES_NAMED(host->first_bus,
				      host->last_bus - host->first_bus + 1,
				      "p2pdma fabric", IORESOURCE_BUS);
	pci_add_resource(&bridge->windows, &host->busn);
	pci_add_resource_offset(&bridge->windows, &host->mem64,
				-host->bus_offset);
	pci_add_resource_offset(&bridge->windows, &host->mem32,
				host->mem32.start - BUS_ADDRESS32);
	bridge->ops = &fabric_config_ops;
	bridge->busnr = host->first_bus;
	/* No interrupts: nothing for the port driver to do */
	bridge->native_aer = 0;
	bridge->native_pcie_hotplug = 0;
	bridge->native_shpc_hotplug = 0;
	bridge->native_pme = 0;
	bridge->native_dpc = 0;
#ifdef CONFIG_X86
	host->sysdata.domain = host->domain;
	host->sysdata.node = first_online_node;
	bridge->sysdata = &host->sysdata;
#else
	bridge->domain_nr = host->domain;
	bridge->sysdata = host;
#endif
	error = host_firmware(host, &bridge->dev);
	if (!error)
		error = pci_host_probe(bridge);
	if (error) {
		pci_free_host_bridge(bridge);
		return error;
	}
	host->bridge = bridge;
	return 0;
}

/**
 * fabric_scan - have the kernel enumerate what is described
 * @fabric: the fabric
 *
 * May be called again after more hosts have been described.
 */
void fabric_scan(struct fabric *fabric)
{
	struct fabric_host *host;
	struct fabric_fn *fn;
	int error;

	list_for_each_entry(fn, &fabric->fns, node) {
		if (!fn->host->bridge)
			fabric_config_reset(fn);
	}
	list_for_each_entry(host, &fabric->hosts, node) {
		if (host->bridge)
			continue;
		error = host_scan(host);
		KUNIT_ASSERT_EQ_MSG(fabric->test, error, 0,
				    "segment %#x", host->domain);
		check_pdevs(host);
	}
}

static int enable_vfs(struct pci_dev *pdev, unsigned int num)
{
	CLASS(hushed, level)();
	return pci_enable_sriov(pdev, num);
}

/**
 * fabric_enable_vfs - bring virtual functions to life
 * @pf: physical function
 * @num: how many of them
 */
void fabric_enable_vfs(struct fabric_fn *pf, unsigned int num)
{
	struct kunit *test = pf->host->fabric->test;
	struct pci_dev *vf;
	unsigned int i;
	int error;

	error = enable_vfs(pf->pdev, num);
	KUNIT_ASSERT_EQ(test, error, 0);
	for (i = 0; i < num; i++) {
		vf = pci_get_domain_bus_and_slot(pf->host->domain,
						 pci_iov_virtfn_bus(pf->pdev, i),
						 pci_iov_virtfn_devfn(pf->pdev, i));
		KUNIT_ASSERT_NOT_NULL(test, vf);
		pf->vf[i]->pdev = vf;
	}
}

static void disable_vfs(struct fabric_fn *pf)
{
	int i;

	if (!pf->pdev || !pci_num_vf(pf->pdev))
		return;
	pci_disable_sriov(pf->pdev);
	for (i = 0; i < pf->num_vfs; i++)
		drop_pdev(pf->vf[i]);
}

/**
 * fabric_disable_vfs - take all virtual functions of a function away
 * @pf: physical function
 */
void fabric_disable_vfs(struct fabric_fn *pf)
{
	CLASS(hushed, level)();
	disable_vfs(pf);
}

/* Everything from @fn down: @each is called from the bottom up. */
static void for_subtree(struct fabric_fn *fn, void (*each)(struct fabric_fn *))
{
	int i;

	for (i = 0; fn->below && i < fn->below->end; i++) {
		if (fn->below->fn[i])
			for_subtree(fn->below->fn[i], each);
	}
	each(fn);
}

static void connect(struct fabric_fn *fn, struct fabric_fn *with)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&fabric_config_lock, flags);
	fn->bus->fn[fn->devfn] = with;
	memset(fn->host->route, 0, sizeof(fn->host->route));
	raw_spin_unlock_irqrestore(&fabric_config_lock, flags);
}

/**
 * fabric_unplug - take a function, and all that is below it, away
 * @fn: function
 */
void fabric_unplug(struct fabric_fn *fn)
{
	CLASS(hushed, level)();
	for_subtree(fn, disable_vfs);
	pci_stop_and_remove_bus_device_locked(fn->pdev);
	for_subtree(fn, drop_pdev);
	connect(fn, NULL);
}

static void disconnect(struct fabric_fn *fn)
{
	pci_dev_set_disconnected(fn->pdev, NULL);
}

/**
 * fabric_yank - take a function, and all that is below it, away without notice
 * @fn: function; nothing below it has virtual functions
 *
 * It does not answer any more when the kernel hears of that.
 */
void fabric_yank(struct fabric_fn *fn)
{
	CLASS(hushed, level)();
	connect(fn, NULL);
	for_subtree(fn, disconnect);
	pci_stop_and_remove_bus_device_locked(fn->pdev);
	for_subtree(fn, drop_pdev);
}

static void rescan(struct pci_bus *bus)
{
	CLASS(hushed, level)();
	CLASS(numbered, flags)();
	pci_lock_rescan_remove();
	pci_rescan_bus(bus);
	pci_unlock_rescan_remove();
}

static void plug(struct fabric_fn *fn)
{
	for_subtree(fn, fabric_config_reset);
	connect(fn, fn);
	rescan(fn->bus->bridge ? fn->bus->bridge->pdev->subordinate :
				 fn->host->bridge->bus);
	check_pdevs(fn->host);
}

/**
 * fabric_replug - put back what was unplugged
 * @fn: function
 *
 * It starts as described, like after a reset.
 */
void fabric_replug(struct fabric_fn *fn)
{
	plug(fn);
}

/**
 * fabric_replace - put a device like an unplugged one in its place
 * @fn: function that was there, without anything below it
 *
 * Return: the new function, at the same address on the same bus.
 */
struct fabric_fn *fabric_replace(struct fabric_fn *fn)
{
	struct fabric_fn *new = fn_alloc(fn->host, fn->type);

	new->bus = fn->bus;
	new->devfn = fn->devfn;
	/* Without it functions behind this one are not found. */
	new->ari = fn->ari;
	memcpy(new->bar, fn->bar, sizeof(new->bar));
	plug(new);
	return new;
}

/**
 * fabric_write_acs - have somebody rewrite the ACS controls of a function
 * @fn: function
 * @ctrl: new value
 *
 * It is user space: the kernel rewrites them when it restores the state of a
 * device, with what its command line says, which is not for tests to change.
 */
void fabric_write_acs(struct fabric_fn *fn, u16 ctrl)
{
	pci_user_write_config_word(fn->pdev, FABRIC_ACS_CAP + PCI_ACS_CTRL, ctrl);
}

/* ---- the end ---- */

/*
 * Each function holds its bus, and each bus what it is below: whoever still has
 * a reference to any of them, also to one unplugged long ago, keeps the bridge.
 */
static void check_references(struct fabric_host *host)
{
	struct kref *kref = &host->bridge->dev.kobj.kref;
	int tries;

	/* Some are given back by work that has begun. */
	for (tries = 0; kref_read(kref) > 1 && tries < 50; tries++)
		msleep(20);
	KUNIT_EXPECT_EQ_MSG(host->fabric->test, kref_read(kref), 1,
			    "segment %#x: references are left", host->domain);
}

static void host_remove(struct fabric_host *host)
{
	struct pci_dev *pdev = NULL;

	if (host->bridge) {
		pci_lock_rescan_remove();
		pci_stop_root_bus(host->bridge->bus);
		pci_remove_root_bus(host->bridge->bus);
		pci_unlock_rescan_remove();
		check_references(host);
		pci_free_host_bridge(host->bridge);
		host->bridge = NULL;
	}
	if (!IS_ERR_OR_NULL(host->parent))
		root_device_unregister(host->parent);
	for_each_pci_dev(pdev) {
		if (pdev->bus->ops == &fabric_config_ops &&
		    fabric_host_of(pdev->bus) == host)
			KUNIT_FAIL(host->fabric->test, "%s is still there",
				   pci_name(pdev));
	}
	KUNIT_EXPECT_NULL(host->fabric->test, host->mem64.child);
	KUNIT_EXPECT_NULL(host->fabric->test, host->mem32.child);
	if (host->mem64.parent) {
		release_resource(&host->mem64);
		release_resource(&host->mem32);
	}
}

static void fabric_release(void *data)
{
	struct fabric *fabric = data;
	struct fabric_host *host, *next_host;
	struct fabric_fn *fn, *next_fn;

	CLASS(hushed, level)();
	list_for_each_entry(fn, &fabric->fns, node)
		disable_vfs(fn);
	list_for_each_entry(fn, &fabric->fns, node)
		drop_pdev(fn);
	list_for_each_entry_reverse(host, &fabric->hosts, node)
		host_remove(host);
	pci_unregister_driver(&fabric_driver);

	list_for_each_entry_safe(fn, next_fn, &fabric->fns, node) {
		kfree(fn->below);
		kfree(fn->vf);
		kfree(fn);
	}
	list_for_each_entry_safe(host, next_host, &fabric->hosts, node) {
		kfree(host->root);
		kfree(host);
	}
	kfree(fabric);
}

/**
 * fabric_alloc - an empty fabric
 * @test: test that uses it; at its end the fabric is taken down
 *
 * One at a time.  Until then a driver binds to each function that has
 * FABRIC_VENDOR and FABRIC_DEVICE, as endpoints do.
 *
 * Return: the fabric.
 */
struct fabric *fabric_alloc(struct kunit *test)
{
	struct fabric *fabric = kzalloc(sizeof(*fabric), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fabric);
	fabric->test = test;
	INIT_LIST_HEAD(&fabric->hosts);
	INIT_LIST_HEAD(&fabric->fns);
	if (pci_register_driver(&fabric_driver)) {
		kfree(fabric);
		KUNIT_FAIL_AND_ABORT(test, "no driver");
	}
	KUNIT_ASSERT_EQ(test,
			kunit_add_action_or_reset(test, fabric_release, fabric),
			0);
	return fabric;
}

/**
 * fabric_free - take a fabric down before the test ends
 * @fabric: the fabric
 */
void fabric_free(struct fabric *fabric)
{
	kunit_release_action(fabric->test, fabric_release, fabric);
}
