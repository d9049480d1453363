// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: machines that people have reported, and what they should have read.
 *
 * Each is as far as it matters for the routes: ids of what stands for the host
 * bridge, ports with their ACS, sizes and addresses.
 */
#include <kunit/test.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/processor.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "explain_test.h"
#include "provider.h"
#include "oracle.h"
#include "topologies.h"

#define UNLESS_SURE	"put both below one PCIe switch, or if it is sure that the root complex routes, "

static void not_on_amd(struct kunit *test)
{
#ifdef CONFIG_X86
	if (boot_cpu_data.x86_vendor == X86_VENDOR_AMD &&
	    boot_cpu_data.x86 >= 0x17)
		kunit_skip(test, "this CPU's root complex routes everything");
#endif
}

static void expect_direct(struct kunit *test, struct fabric_fn *a,
			  struct fabric_fn *b, unsigned int distance)
{
	struct p2pdma_verdict v = p2pdma_route(a->pdev, b->pdev);

	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ], BUS);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE], BUS);
	KUNIT_EXPECT_EQ(test, v.distance, distance);
	v = p2pdma_route(b->pdev, a->pdev);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ], BUS);
	KUNIT_EXPECT_EQ(test, v.distance, distance);
}

/* A graphics card: large memory, its registers and a small window beside */
static struct fabric_fn *gpu_under(struct fabric_fn *port, u64 size)
{
	struct fabric_fn *gpu = endpoint_under(port);

	gpu->class = PCI_CLASS_DISPLAY_3D << 8;
	gpu->bar[0].size = size;
	gpu->bar[2].size = SZ_2M;
	gpu->bar[2].flags = FABRIC_BAR_64 | FABRIC_BAR_PREFETCH;
	gpu->bar[5].size = SZ_512K;
	return gpu;
}

/*
 *	 8086:6f00
 *	 |       |
 *	00:02.0 00:03.0		no ACS
 *	 |       |
 *	GPU     GPU, 32 GiB each
 *
 * Broadwell-EP, as an X99 board has it: not listed, and there is nothing about
 * ACS to be changed.
 */
static void field_unlisted_bridge(struct kunit *test)
{
	const struct kernel_param *kp = param_begin(test, "pci_p2pdma.host_bridges");
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *a, *b;

	not_on_amd(test);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	host->size64 = 128ULL * SZ_1G;
	root_device(host, PCI_VENDOR_ID_INTEL, 0x6f00);
	a = gpu_under(placed_at(root_port(host), 2, 0), 32ULL * SZ_1G);
	b = gpu_under(placed_at(root_port(host), 3, 0), 32ULL * SZ_1G);
	fabric_scan(fabric);
	KUNIT_EXPECT_EQ(test, pci_resource_len(a->pdev, 0), 32ULL * SZ_1G);
	expect_words(test, a, b,
		     "root-complex-unknown at fa00:00:02.0; host bridge 8086:6f00 is not known to route between its ports",
		     UNLESS_SURE "pci_p2pdma.host_bridges=8086:6f00=reads+writes");
	expect_words(test, b, a,
		     "root-complex-unknown at fa00:00:03.0; host bridge 8086:6f00 is not known to route between its ports",
		     UNLESS_SURE "pci_p2pdma.host_bridges=8086:6f00=reads+writes");
	/* What was advised does it. */
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "8086:6f00=reads+writes"));
	expect_words(test, a, b, "root-complex; host bridge 8086:6f00 routes between its ports",
		     "");
}

/*
 *	root port, ACSCtl 1d
 *	    |
 *	   top
 *	  /    \
 *	mid 0   mid 1
 *	 |   \    |
 *	leaf  |  leaf
 *	/ \  leaf |
 *	a b   |   d
 *	      c
 *
 * Three stacked switches without ACS.  The root port redirects and validates
 * what comes to it, and nothing does: it does not matter.
 */
static void field_stacked_switches(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *top, *mid, *leaf, *a, *b, *c, *d;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	top = switch_under(with_acs(root_port(host), 0x1d), 2);
	mid = switch_under(downstream(top, 0), 2);
	leaf = switch_under(downstream(mid, 0), 2);
	a = endpoint_under(downstream(leaf, 0));
	b = endpoint_under(downstream(leaf, 1));
	c = endpoint_under(downstream(switch_under(downstream(mid, 1), 1), 0));
	mid = switch_under(downstream(top, 1), 1);
	d = endpoint_under(downstream(switch_under(downstream(mid, 0), 1), 0));
	fabric_scan(fabric);
	expect_direct(test, a, b, 4);
	expect_direct(test, a, c, 8);
	expect_direct(test, a, d, 12);
	expect_words(test, a, d, "same-switch at fa00:01:00.0", "");
}

#define OFFSET_OF_BOX	(-0x540000000LL)

/*
 *	root port		bus addresses 0x540000000 below the CPU's
 *	    |
 *	 upstream
 *	 / | ... \
 *	16 ports, an endpoint at each
 */
static void field_bus_offset(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *sw, *fn[16];
	void *addr;
	int i, j;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	host->start64 = 0x6000000000ULL;
	host->bus_offset = OFFSET_OF_BOX;
	sw = switch_under(root_port(host), 16);
	for (i = 0; i < 16; i++)
		fn[i] = endpoint_under(downstream(sw, i));
	fabric_scan(fabric);
	KUNIT_EXPECT_EQ(test, host->mem64.start, 0x6000000000ULL);
	for (i = 0; i < 16; i++) {
		for (j = 0; j < i; j++)
			expect_direct(test, fn[i], fn[j], 4);
		KUNIT_EXPECT_EQ(test, provider_bar_register(fn[i]),
				pci_resource_start(fn[i]->pdev, 0) + OFFSET_OF_BOX);
	}
	provider_register(test, fn[7]);
	addr = provider_alloc(test, fn[7], PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, pci_p2pmem_virt_to_bus(fn[7]->pdev, addr),
			provider_bus_address(fn[7], addr));
}

/*
 *	   root bus
 *	 /    |     \
 *	0.0  1.0    2.0
 *	      |      |
 *	      a      b
 *
 * 00:00.0 says that it is a root port, and has the header of an endpoint.  It
 * stands for the host bridge all the same, and leads nowhere.
 */
static void field_root_port_type_0(struct kunit *test)
{
	const struct kernel_param *kp = param_begin(test, "pci_p2pdma.host_bridges");
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *zero, *a, *b;

	not_on_amd(test);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	zero = placed_at(root_function(host, PCI_EXP_TYPE_ROOT_PORT), 0, 0);
	zero->vendor = PCI_VENDOR_ID_FREESCALE;
	zero->device = 0x0070;
	zero->class = PCI_CLASS_PROCESSOR_POWERPC << 8;
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	KUNIT_EXPECT_EQ(test, pci_pcie_type(zero->pdev), PCI_EXP_TYPE_ROOT_PORT);
	KUNIT_EXPECT_NULL(test, zero->pdev->subordinate);
	expect_words(test, a, b,
		     "root-complex-unknown at fa00:00:01.0; host bridge 1957:0070 is not known to route between its ports",
		     UNLESS_SURE "pci_p2pdma.host_bridges=1957:0070=reads+writes");
	expect_words(test, zero, b,
		     "root-complex-unknown at fa00:00:00.0; host bridge 1957:0070 is not known to route between its ports",
		     UNLESS_SURE "pci_p2pdma.host_bridges=1957:0070=reads+writes");
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "1957:0070"));
	expect_words(test, zero, b, "root-complex; host bridge 1957:0070 routes between its ports",
		     "");
}

/*
 *	segment 0	segment 1	segment 2
 *	   |		   |		   |
 *	00:00.0		00:00.0		00:00.0		a root port each
 *	   |		   |		   |
 *	   a		   b		   c
 *
 * As ARM servers have it.  The first two are known, the third is not.
 */
static void field_segment_each(struct kunit *test)
{
	const struct kernel_param *kp = param_begin(test, "pci_p2pdma.host_bridges");
	static const u16 ids[] = { 0x2f95, 0x2f96, 0x1ad0 };
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *fn[3], *port;
	int i;

	not_on_amd(test);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	for (i = 0; i < 3; i++) {
		port = placed_at(root_port(host_bridge(fabric)), 0, 0);
		port->vendor = PCI_VENDOR_ID_NVIDIA;
		port->device = ids[i];
		fn[i] = endpoint_under(port);
	}
	fabric_scan(fabric);
	expect_words(test, fn[0], fn[1],
		     "root-complex; host bridge 10de:2f95 routes between its ports; host bridge 10de:2f96 routes between its ports",
		     "");
	expect_words(test, fn[0], fn[2],
		     "root-complex-unknown at fa02:00:00.0; host bridge 10de:2f95 routes between its ports; host bridge 10de:1ad0 is not known to route between its ports",
		     UNLESS_SURE "pci_p2pdma.host_bridges=10de:1ad0=reads+writes+between");
	/* Without the word it is the same root port only. */
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "10de:1ad0"));
	expect_words(test, fn[2], fn[0],
		     "root-complex-differs at fa02:00:00.0; host bridge 10de:1ad0 routes between its own ports only; host bridge 10de:2f95 routes between its ports",
		     UNLESS_SURE "pci_p2pdma.host_bridges=10de:1ad0=reads+writes+between");
}

/*
 *	   root bus 40
 *	 /    |    |    \
 *	40:01.0 .. a   40:04.0	a conventional bridge; a is an endpoint as virtual
 *	   |	         |	machines have them
 *	   b	         c
 *
 * Buses as firmware numbers them: 45 below 40:01.0, 50 below the bridge.
 */
static void field_root_bus(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *a, *b, *c, *conventional, *port, *bridge;
	struct fabric_fn *all[4];
	int i, j;

	not_on_amd(test);
	host->first_bus = 0x40;
	host->last_bus = 0x7f;
	host->routes = FABRIC_ROUTES_WITHIN;
	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_WITHIN);
	port = root_port(host);
	port->first_bus = 0x45;
	port->last_bus = 0x46;
	conventional = root_function(host, FABRIC_CONVENTIONAL);
	a = placed_at(root_function(host, PCI_EXP_TYPE_ENDPOINT), 3, 2);
	placed_at(root_function(host, PCI_EXP_TYPE_ENDPOINT), 3, 0);
	bridge = placed_at(root_bridge(host, FABRIC_CONVENTIONAL), 4, 0);
	bridge->first_bus = 0x50;
	bridge->last_bus = 0x50;
	b = endpoint_under(port);
	c = conventional_under(bridge);
	fabric_scan(fabric);
	KUNIT_EXPECT_STREQ(test, pci_name(b->pdev), "fa00:45:00.0");
	KUNIT_EXPECT_STREQ(test, pci_name(c->pdev), "fa00:50:00.0");
	KUNIT_EXPECT_STREQ(test, pci_name(a->pdev), "fa00:40:03.2");
	all[0] = a;
	all[1] = b;
	all[2] = c;
	all[3] = conventional;
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		for (j = 0; j < ARRAY_SIZE(all); j++) {
			struct p2pdma_verdict v = p2pdma_route(all[i]->pdev,
							       all[j]->pdev);
			struct oracle_route route = oracle(all[i], all[j]);

			KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ],
					route.map[P2PDMA_READ]);
			KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE],
					route.map[P2PDMA_WRITE]);
			KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE],
					i == j ? BUS : HOST);
		}
	}
	/* A root port comes back as it was, with what is below it. */
	fabric_unplug(port);
	fabric_replug(port);
	KUNIT_EXPECT_EQ(test, p2pdma_route(a->pdev, b->pdev).map[P2PDMA_READ], HOST);
}

/*
 *	root port
 *	    |
 *	 upstream
 *	  /    \
 *	 GPU   GPU, 128 GiB, for which there is no room
 *
 * Without an address there is nothing to be registered, and that is said; the
 * route is there all the same.
 */
static void field_no_room(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *sw, *a, *b;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	sw = switch_under(root_port(host), 2);
	a = endpoint_under(downstream(sw, 0));
	b = endpoint_under(downstream(sw, 1));
	b->bar[0].size = 128ULL * SZ_1G;
	b->bar[0].unassigned = true;
	/* Both would be in one window of the upstream port. */
	a->bar[0].unassigned = true;
	fabric_scan(fabric);
	KUNIT_EXPECT_EQ(test, -EINVAL, pci_p2pdma_add_resource(b->pdev, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, p2pdma_route(a->pdev, b->pdev).map[P2PDMA_READ], BUS);
}

/* The same with room: 128 GiB have an address, and all of them is on the way. */
static void field_large(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *sw, *a, *b;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	host->size64 = 256ULL * SZ_1G;
	sw = switch_under(root_port(host), 2);
	a = gpu_under(downstream(sw, 0), 32ULL * SZ_1G);
	b = gpu_under(downstream(sw, 1), 128ULL * SZ_1G);
	fabric_scan(fabric);
	KUNIT_EXPECT_EQ(test, pci_resource_len(b->pdev, 0), 128ULL * SZ_1G);
	expect_direct(test, a, b, 4);
}

/*
 *	root complex		devices see memory 1 TiB higher
 *	 |        |
 *	 a        b
 *
 * What goes by way of the root complex is mapped as RAM is, by the addresses
 * that devices have to use.
 */
static void field_dma_map(struct kunit *test)
{
	static const struct bus_dma_region map[] = {
		{ .cpu_start = 0, .dma_start = SZ_1T, .size = SZ_1T * 15ULL },
		{ }
	};
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = routing_host(fabric);
	struct fabric_fn *a, *b;
	struct scatterlist *sg;
	unsigned int nents;

	host->dma_map = map;
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	provider_register(test, b);
	sg = pci_p2pmem_alloc_sgl(b->pdev, &nents, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, sg);
	KUNIT_EXPECT_EQ(test, dma_map_sg(&a->pdev->dev, sg, nents, DMA_FROM_DEVICE),
			1);
	KUNIT_EXPECT_EQ(test, sg_dma_address(sg), sg_phys(sg) + SZ_1T);
	dma_unmap_sg(&a->pdev->dev, sg, nents, DMA_FROM_DEVICE);
	pci_p2pmem_free_sgl(b->pdev, sg);
}

#ifdef CONFIG_X86
/* The CPU says what no id does: the same bus under two CPUs */
static void field_cpu(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *a, *b;

	fabric_cpu(test, true, 0x17);
	root_device(host, PCI_VENDOR_ID_AMD, 0x1450);
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	expect_words(test, a, b, "root-complex; host bridge 1022:1450 routes between its ports",
		     "");
	fabric_free(fabric);

	fabric = fabric_alloc(test);
	host = host_bridge(fabric);
	fabric_cpu(test, true, 0x15);
	root_device(host, PCI_VENDOR_ID_AMD, 0x5a10);
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	expect_words(test, a, b,
		     "root-complex-unknown at fa00:00:01.0; host bridge 1022:5a10 is not known to route between its ports",
		     UNLESS_SURE "pci_p2pdma.host_bridges=1022:5a10=reads+writes");
}
#endif

static struct kunit_case field_cases[] = {
	KUNIT_CASE(field_unlisted_bridge),
	KUNIT_CASE(field_stacked_switches),
	KUNIT_CASE(field_bus_offset),
	KUNIT_CASE(field_root_port_type_0),
	KUNIT_CASE(field_segment_each),
	KUNIT_CASE(field_root_bus),
	KUNIT_CASE(field_no_room),
	KUNIT_CASE(field_large),
	KUNIT_CASE(field_dma_map),
#ifdef CONFIG_X86
	KUNIT_CASE(field_cpu),
#endif
	{ }
};

static struct kunit_suite field_suite = {
	.name = "p2pdma_field",
	.test_cases = field_cases,
};

kunit_test_suite(field_suite);

MODULE_DESCRIPTION("KUnit tests of routes on machines that people have reported");
MODULE_LICENSE("GPL");
