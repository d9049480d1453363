// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the fabric made of memory itself.  What the other suites rely on: the
 * kernel sees what has been described, and nothing stays behind.
 */
#include <kunit/test.h>
#include <linux/pci-ats.h>
#include <linux/pci.h>

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

/* Unplug, put back, replace: another struct pci_dev at the same address */
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

	fabric_unplug(a);
	c = fabric_replace(a);
	KUNIT_EXPECT_PTR_EQ(test, c->pdev->bus, bus);

	fabric_unplug(sw);
	KUNIT_EXPECT_NULL(test, c->pdev);
	KUNIT_EXPECT_NULL(test, b->pdev);
	fabric_replug(sw);
	KUNIT_EXPECT_NOT_NULL(test, c->pdev);
	KUNIT_EXPECT_NOT_NULL(test, b->pdev);
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

/* Virtual functions on the bus of the physical one, and on the next one */
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
	KUNIT_CASE(plugging),
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
