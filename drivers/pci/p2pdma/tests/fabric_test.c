// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the fabric made of memory itself.  What the other suites rely on: the
 * kernel sees what has been described, and nothing stays behind.
 */
#include <kunit/test.h>
#include <linux/ioport.h>
#include <linux/pci-ats.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "fabric.h"

static u64 bar_register(const struct fabric_fn *fn, int bar)
{
	int where = PCI_BASE_ADDRESS_0 + 4 * bar;

	return (fabric_config_get(fn, where, 4) & ~0xfULL) |
	       (u64)fabric_config_get(fn, where + 4, 4) << 32;
}

/*
 *	root port		what the kernel has read out of config space
 *	    |
 *	 upstream
 *	  /    \
 *	d0      d1
 *	|        |
 *	a    PCIe to PCI bridge
 *	         |
 *	         b
 */
static void scanned(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *rp, *sw, *a, *bridge, *b;

	rp = root_port(host_bridge(fabric));
	sw = switch_under(rp, 2);
	a = with_acs(endpoint_under(downstream(sw, 0)), PCI_ACS_RR);
	a->ats = true;
	bridge = pci_bridge_under(downstream(sw, 1));
	b = conventional_under(bridge);
	fabric_scan(fabric);

	KUNIT_EXPECT_EQ(test, pci_domain_nr(a->pdev->bus), FABRIC_DOMAIN);
	KUNIT_EXPECT_EQ(test, pci_pcie_type(rp->pdev), PCI_EXP_TYPE_ROOT_PORT);
	KUNIT_EXPECT_EQ(test, pci_pcie_type(sw->pdev), PCI_EXP_TYPE_UPSTREAM);
	KUNIT_EXPECT_EQ(test, pci_pcie_type(downstream(sw, 1)->pdev),
			PCI_EXP_TYPE_DOWNSTREAM);
	KUNIT_EXPECT_EQ(test, pci_pcie_type(a->pdev), PCI_EXP_TYPE_ENDPOINT);
	KUNIT_EXPECT_EQ(test, pci_pcie_type(bridge->pdev),
			PCI_EXP_TYPE_PCI_BRIDGE);
	KUNIT_EXPECT_FALSE(test, pci_is_pcie(b->pdev));
	KUNIT_EXPECT_PTR_EQ(test, pci_upstream_bridge(a->pdev),
			    downstream(sw, 0)->pdev);
	KUNIT_EXPECT_PTR_EQ(test, pci_upstream_bridge(b->pdev), bridge->pdev);
	KUNIT_EXPECT_EQ(test, a->pdev->acs_cap, FABRIC_ACS_CAP);
	KUNIT_EXPECT_EQ(test, b->pdev->acs_cap, 0);
	KUNIT_EXPECT_TRUE(test, pci_ats_supported(a->pdev) ||
			  !IS_ENABLED(CONFIG_PCI_ATS));
	KUNIT_EXPECT_EQ(test, pci_resource_len(b->pdev, 0), SZ_2M);
	KUNIT_EXPECT_PTR_EQ(test, a->pdev->driver, b->pdev->driver);
	KUNIT_EXPECT_NOT_NULL(test, a->pdev->driver);
}

/*
 *	host bridge 0	host bridge 1	host bridge 2
 *	     |		     |		     |
 *	    rp		    rp		    rp
 *	     |		     |		     |
 *	   fn 0		   fn 1		   fn 2
 *
 * Bus addresses are CPU addresses moved by the offset of the host bridge, of
 * either sign; the window below 4 GiB has an offset of its own.
 */
static void bus_offset(struct kunit *test)
{
	static const s64 offsets[] = { 0, -(s64)(192ULL * SZ_1G),
				       (s64)(2048ULL * SZ_1G) };
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *fn[ARRAY_SIZE(offsets)];
	struct fabric_host *host;
	int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		host = host_bridge(fabric);
		host->bus_offset = offsets[i];
		fn[i] = endpoint_under(root_port(host));
		fn[i]->bar[2] = (struct fabric_bar){ .size = SZ_1M };
	}
	fabric_scan(fabric);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		KUNIT_EXPECT_EQ(test, bar_register(fn[i], 0),
				pci_resource_start(fn[i]->pdev, 0) + offsets[i]);
		KUNIT_EXPECT_EQ(test, bar_register(fn[i], 0),
				pci_bus_address(fn[i]->pdev, 0));
		KUNIT_EXPECT_LT(test, bar_register(fn[i], 2), SZ_4G);
		KUNIT_EXPECT_GT(test, pci_resource_start(fn[i]->pdev, 2), SZ_4G);
	}
}

/*
 *	host bridge 0   host bridge 1		host bridge 2
 *	 |        |      |        |		 |        |
 *	zero 0    rp    zero 1    rp		zero 2    rp
 *	          |               |		          |
 *	          a0              a1		          a2
 *	 one segment with the one beside it	another segment
 */
static void segments(struct kunit *test)
{
	static const struct {
		int domain;
		u8 bus;
		u16 vendor;
		u16 device;
	} hosts[] = {
		{ FABRIC_DOMAIN, 0, PCI_VENDOR_ID_INTEL, 0x2030 },
		{ FABRIC_DOMAIN, 0x80, PCI_VENDOR_ID_NVIDIA, 0x2f95 },
		{ FABRIC_DOMAIN + 1, 0, PCI_VENDOR_ID_ZHAOXIN, 0x1003 },
	};
	struct fabric_fn *zero[ARRAY_SIZE(hosts)], *a[ARRAY_SIZE(hosts)];
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host[ARRAY_SIZE(hosts)];
	int i;

	host[0] = host_bridge(fabric);
	host[1] = host_bridge_beside(host[0]);
	host[2] = host_bridge(fabric);
	for (i = 0; i < ARRAY_SIZE(hosts); i++) {
		zero[i] = root_device(host[i], hosts[i].vendor, hosts[i].device);
		a[i] = endpoint_under(root_port(host[i]));
	}
	fabric_scan(fabric);
	for (i = 0; i < ARRAY_SIZE(hosts); i++) {
		KUNIT_EXPECT_EQ(test, pci_domain_nr(a[i]->pdev->bus),
				hosts[i].domain);
		KUNIT_EXPECT_EQ(test, a[i]->pdev->bus->number, hosts[i].bus + 1);
		KUNIT_EXPECT_EQ(test, pci_dev_id(zero[i]->pdev),
				PCI_DEVID(hosts[i].bus, 0));
		KUNIT_EXPECT_EQ(test, zero[i]->pdev->vendor, hosts[i].vendor);
		KUNIT_EXPECT_EQ(test, zero[i]->pdev->device, hosts[i].device);
		KUNIT_EXPECT_PTR_EQ(test, pci_find_host_bridge(a[i]->pdev->bus),
				    host[i]->bridge);
	}
}

/*
 *	root port
 *	    |
 *	 a, and b in a window that is larger than usual
 *
 * Each kind of BAR is found, and has an address in the window that it belongs
 * in; there is none for ports.
 */
static void bars(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *a, *b;
	struct resource *res;
	int i;

	host->size64 = SZ_8G;
	a = endpoint_under(root_port(host));
	a->bar[2].size = SZ_1M;
	a->bar[3].size = SZ_64K;
	a->bar[3].flags = FABRIC_BAR_PREFETCH;
	a->bar[4].size = SZ_256;
	a->bar[4].flags = FABRIC_BAR_IO;
	b = endpoint_under(root_port(host));
	b->bar[0].size = SZ_4G;
	fabric_scan(fabric);

	res = a->pdev->resource;
	KUNIT_EXPECT_EQ(test, resource_size(&res[0]), SZ_2M);
	KUNIT_EXPECT_TRUE(test, res[0].flags & IORESOURCE_MEM_64);
	KUNIT_EXPECT_TRUE(test, res[0].flags & IORESOURCE_PREFETCH);
	KUNIT_EXPECT_TRUE(test, resource_contains(&host->mem64, &res[0]));
	KUNIT_EXPECT_EQ(test, res[1].flags, 0);
	KUNIT_EXPECT_EQ(test, resource_size(&res[2]), SZ_1M);
	KUNIT_EXPECT_FALSE(test, res[2].flags & IORESOURCE_PREFETCH);
	KUNIT_EXPECT_EQ(test, resource_size(&res[3]), SZ_64K);
	KUNIT_EXPECT_TRUE(test, res[3].flags & IORESOURCE_PREFETCH);
	for (i = 2; i < 4; i++) {
		KUNIT_EXPECT_FALSE(test, res[i].flags & IORESOURCE_MEM_64);
		KUNIT_EXPECT_TRUE(test, resource_contains(&host->mem32, &res[i]));
	}
	KUNIT_EXPECT_TRUE(test, fabric_config_get(a, PCI_BASE_ADDRESS_4, 4) &
			  PCI_BASE_ADDRESS_SPACE_IO);
	KUNIT_EXPECT_NULL(test, res[4].parent);

	res = &b->pdev->resource[0];
	KUNIT_EXPECT_EQ(test, resource_size(res), SZ_4G);
	KUNIT_EXPECT_TRUE(test, resource_contains(&host->mem64, res));
	KUNIT_EXPECT_EQ(test, bar_register(b, 0), res->start);
}

/*
 *	root port 1	root port 2, with ARI
 *	    |			|
 *	[a, b, c]	[d, then the sixteenth, e]
 */
static void functions(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *a, *b, *c, *d, *e, *port;
	int i;

	a = endpoint_under(root_port(host));
	b = function_beside(a);
	c = function_beside(b);
	port = root_port(host);
	port->ari = true;
	d = endpoint_under(port);
	d->ari = true;
	for (i = 0, e = d; i < 15; i++) {
		e = function_beside(e);
		e->ari = true;
	}
	fabric_scan(fabric);
	KUNIT_EXPECT_TRUE(test, a->pdev->multifunction);
	KUNIT_EXPECT_TRUE(test, c->pdev->multifunction);
	KUNIT_EXPECT_EQ(test, pci_dev_id(b->pdev), pci_dev_id(a->pdev) + 1);
	KUNIT_EXPECT_EQ(test, pci_dev_id(c->pdev), pci_dev_id(a->pdev) + 2);
	KUNIT_EXPECT_FALSE(test, pci_ari_enabled(a->pdev->bus));
	KUNIT_EXPECT_TRUE(test, pci_ari_enabled(d->pdev->bus));
	KUNIT_EXPECT_EQ(test, pci_dev_id(e->pdev), pci_dev_id(d->pdev) + 15);
	KUNIT_EXPECT_FALSE(test, port->pdev->multifunction);
}

/*
 *	root port
 *	    |
 *	 upstream
 *	  /    \
 *	d0      d1
 *	|        |
 *	a        b
 *
 * Unplug, put back, replace: another struct pci_dev at the same address
 */
static void plugging(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *sw, *a, *b, *c;
	struct pci_dev *old;
	struct pci_bus *bus;

	sw = switch_under(root_port(host_bridge(fabric)), 2);
	a = endpoint_under(downstream(sw, 0));
	b = endpoint_under(downstream(sw, 1));
	fabric_scan(fabric);
	old = pci_dev_get(a->pdev);
	bus = old->bus;

	fabric_unplug(a);
	KUNIT_EXPECT_NULL(test, a->pdev);
	KUNIT_EXPECT_NULL(test, pci_get_slot(bus, 0));
	fabric_replug(a);
	KUNIT_EXPECT_PTR_NE(test, a->pdev, old);
	KUNIT_EXPECT_PTR_EQ(test, a->pdev->bus, bus);
	pci_dev_put(old);

	old = pci_dev_get(a->pdev);
	fabric_unplug(a);
	c = fabric_replace(a);
	KUNIT_EXPECT_PTR_NE(test, c->pdev, old);
	KUNIT_EXPECT_PTR_EQ(test, c->pdev->bus, bus);
	KUNIT_EXPECT_EQ(test, pci_dev_id(c->pdev), pci_dev_id(old));
	pci_dev_put(old);

	fabric_unplug(sw);
	KUNIT_EXPECT_NULL(test, c->pdev);
	KUNIT_EXPECT_NULL(test, b->pdev);
	fabric_replug(sw);
	KUNIT_EXPECT_NOT_NULL(test, c->pdev);
	KUNIT_EXPECT_NOT_NULL(test, b->pdev);
}

/* What is described of ACS is what the kernel reads, up to the last word. */
static void acs_described(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *port;
	int i, cap;
	u32 word;

	port = with_acs(root_port(host_bridge(fabric)), PCI_ACS_EC | PCI_ACS_CR);
	for (i = 0; i < ARRAY_SIZE(port->egress); i++)
		port->egress[i] = 0xe9000000 + i;
	fabric_scan(fabric);
	cap = port->pdev->acs_cap;
	pci_read_config_dword(port->pdev, cap + PCI_ACS_CAP, &word);
	KUNIT_EXPECT_EQ(test, word, FABRIC_ACS_ALL |
			(PCI_ACS_EC | PCI_ACS_CR) << 16);
	for (i = 0; i < ARRAY_SIZE(port->egress); i++) {
		pci_read_config_dword(port->pdev, cap + PCI_ACS_EGRESS_CTL_V +
				      4 * i, &word);
		KUNIT_EXPECT_EQ(test, word, 0xe9000000 + i);
	}
}

/* A control that the function does not have stays 0. */
static void acs_hardwired(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *port;
	u16 ctrl;

	port = with_acs(root_port(host_bridge(fabric)), PCI_ACS_RR);
	port->acs_cap = PCI_ACS_RR | PCI_ACS_UF;
	fabric_scan(fabric);
	fabric_write_acs(port, FABRIC_ACS_ALL);
	pci_read_config_word(port->pdev, port->pdev->acs_cap + PCI_ACS_CTRL,
			     &ctrl);
	KUNIT_EXPECT_EQ(test, ctrl, PCI_ACS_RR | PCI_ACS_UF);
}

/*
 *	root port	 root port
 *	    |		     |
 *	[near, its VFs]	    far, and its VFs on the next bus
 */
static void virtual_functions(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *near, *far;

	if (!IS_ENABLED(CONFIG_PCI_IOV))
		kunit_skip(test, "needs CONFIG_PCI_IOV");
	near = with_vfs(endpoint_under(root_port(host)), 3, 1);
	far = with_vfs(endpoint_under(root_port(host)), 3, 256);
	fabric_scan(fabric);
	fabric_enable_vfs(near, 3);
	fabric_enable_vfs(far, 2);

	KUNIT_EXPECT_TRUE(test, near->vf[2]->pdev->is_virtfn);
	KUNIT_EXPECT_PTR_EQ(test, pci_physfn(near->vf[2]->pdev), near->pdev);
	KUNIT_EXPECT_EQ(test, near->vf[2]->pdev->devfn, 3);
	KUNIT_EXPECT_EQ(test, far->vf[1]->pdev->bus->number,
			far->pdev->bus->number + 1);
	KUNIT_EXPECT_NULL(test, far->vf[2]->pdev);
	KUNIT_EXPECT_EQ(test, pci_resource_len(near->vf[0]->pdev, 0), SZ_2M);
	KUNIT_EXPECT_EQ(test, pci_resource_start(near->vf[1]->pdev, 0),
			pci_resource_start(near->vf[0]->pdev, 0) + SZ_2M);
}

static struct kunit_case fabric_cases[] = {
	KUNIT_CASE(scanned),
	KUNIT_CASE(bus_offset),
	KUNIT_CASE(segments),
	KUNIT_CASE(bars),
	KUNIT_CASE(functions),
	KUNIT_CASE(plugging),
	KUNIT_CASE(acs_described),
	KUNIT_CASE(acs_hardwired),
	KUNIT_CASE(virtual_functions),
	{ }
};

static struct kunit_suite fabric_suite = {
	.name = "p2pdma_fabric",
	.test_cases = fabric_cases,
};

kunit_test_suite(fabric_suite);

MODULE_DESCRIPTION("KUnit tests of a PCI fabric made of memory");
MODULE_LICENSE("GPL");
