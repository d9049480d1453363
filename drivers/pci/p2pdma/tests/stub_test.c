// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the driver that registers any BAR: what it chooses of a
 * device, and what it refuses.
 */
#include <kunit/test.h>
#include <linux/ioport.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "fabric.h"
#include "provider.h"

/* Ids of devices that the driver is given, and that nobody else has */
#define VENDOR		PCI_VENDOR_ID_REDHAT
#define DEVICE		0xfa1e

/*
 *	root port
 *	    |
 *	  device	BAR 0: 2 MiB of registers, BAR 2: 8 MiB, BAR 4: 4 MiB
 */
static struct fabric_fn *make_device(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *fn = endpoint_under(root_port(host_bridge(fabric)));

	fn->vendor = VENDOR;
	fn->device = DEVICE;
	fn->bar[0].size = SZ_2M;
	fn->bar[0].flags = 0;
	fn->bar[2].size = SZ_8M;
	fn->bar[2].flags = FABRIC_BAR_64 | FABRIC_BAR_PREFETCH;
	fn->bar[4].size = SZ_4M;
	fn->bar[4].flags = FABRIC_BAR_64 | FABRIC_BAR_PREFETCH;
	return fn;
}

static const struct kernel_param *resources_begin(struct kunit *test)
{
	return param_begin(test, "pci_p2pmem_stub.resources");
}

/* What an administrator does with new_id; there is no way back. */
static int stub_init(struct kunit_suite *suite)
{
	struct device_driver *driver = driver_find("pci-p2pmem-stub",
						   &pci_bus_type);
	static bool given;
	int error;

	if (!driver)
		return -ENODEV;
	if (given)
		return 0;
	error = pci_add_dynid(to_pci_driver(driver), VENDOR, DEVICE, PCI_ANY_ID,
			      PCI_ANY_ID, 0, 0, 0);
	given = !error;
	return error;
}

/* With the driver bound, or not as it may refuse it; see bind() */
static struct pci_dev *scan(struct fabric_fn *fn)
{
	fabric_scan(fn->host->fabric);
	device_release_driver(&fn->pdev->dev);
	return fn->pdev;
}

static bool bind(struct pci_dev *pdev)
{
	return device_attach(&pdev->dev) == 1;
}

/* The sizes of what is registered, one after the other: "8M+4M"; "" is nothing */
static char *registered(struct kunit *test, struct pci_dev *pdev)
{
	char *text = kunit_kzalloc(test, 64, GFP_KERNEL);
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	int len = 0;

	KUNIT_ASSERT_NOT_NULL(test, text);
	guard(rcu)();
	p2pdma = rcu_dereference(pdev->p2pdma);
	if (!p2pdma)
		return text;
	list_for_each_entry_rcu(mem, &p2pdma->resources, node)
		len += scnprintf(text + len, 64 - len, "%s%lluM",
				 len ? "+" : "", mem->res.size / SZ_1M);
	return text;
}

/* ---- what is registered of a device ---- */

static const struct wish {
	const char *name;
	const char *resources;
	const char *registered;
} wishes[] = {
	{ "nothing_said", "", "8M" },
	{ "registers", "0", "2M" },
	{ "smaller_bar", "4", "4M" },
	{ "part", "2/2M/4M", "4M" },
	{ "rest", "2/6M", "2M" },
	{ "two_parts", "2/0/2M,2/4M/2M", "2M+2M" },
	{ "two_bars", "4,2", "4M+8M" },
	{ "upper_half", "3", "" },
	{ "absent", "1", "" },
	{ "no_such_bar", "6", "" },
	{ "far_too_high", "9999", "" },
	{ "misaligned", "2/1M", "" },
	{ "overlap", "2/0/4M,2/2M/2M", "" },
	{ "second_is_bad", "2,4/8M", "" },
	{ "second_is_none", "2,1", "" },
};

KUNIT_ARRAY_PARAM_DESC(wish, wishes, name);

/* Refused means that the driver does not bind, and that nothing is left of it. */
static void stub_wishes(struct kunit *test)
{
	const struct kernel_param *kp = resources_begin(test);
	const struct wish *wish = test->param_value;
	struct fabric_fn *fn = make_device(test);
	bool fits = *wish->registered;
	struct pci_dev *pdev;
	int bar;

	pdev = scan(fn);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, wish->resources));
	KUNIT_EXPECT_EQ(test, fits, bind(pdev));
	KUNIT_EXPECT_STREQ(test, wish->registered, registered(test, pdev));
	KUNIT_EXPECT_EQ(test, fits, pci_has_p2pmem(pdev));
	KUNIT_EXPECT_EQ(test, fits, pci_is_enabled(pdev));

	device_release_driver(&pdev->dev);
	KUNIT_EXPECT_STREQ(test, "", registered(test, pdev));
	for (bar = 0; bar <= 4; bar += 2) {
		KUNIT_EXPECT_EQ(test, 0, pci_request_region(pdev, bar, "test"));
		pci_release_region(pdev, bar);
	}
}

/* Registers are not registered because nobody said otherwise. */
static void stub_no_prefetchable(struct kunit *test)
{
	const struct kernel_param *kp = resources_begin(test);
	struct fabric_fn *fn = make_device(test);
	struct pci_dev *pdev;

	fn->bar[2].flags = FABRIC_BAR_64;
	fn->bar[4].size = 0;
	pdev = scan(fn);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	KUNIT_EXPECT_FALSE(test, bind(pdev));
	KUNIT_EXPECT_STREQ(test, "", registered(test, pdev));
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "2"));
	KUNIT_EXPECT_TRUE(test, bind(pdev));
	KUNIT_EXPECT_STREQ(test, "8M", registered(test, pdev));
}

/* Whichever comes first, it is the largest. */
static void stub_largest(struct kunit *test)
{
	const struct kernel_param *kp = resources_begin(test);
	struct fabric_fn *fn = make_device(test);
	struct pci_dev *pdev;

	fn->bar[4].size = SZ_16M;
	pdev = scan(fn);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	KUNIT_EXPECT_TRUE(test, bind(pdev));
	KUNIT_EXPECT_STREQ(test, "16M", registered(test, pdev));
}

/* Somebody has the BAR without being the device's driver. */
static void stub_in_use(struct kunit *test)
{
	const struct kernel_param *kp = resources_begin(test);
	struct fabric_fn *fn = make_device(test);
	struct pci_dev *pdev;

	pdev = scan(fn);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "4,2"));
	KUNIT_ASSERT_EQ(test, 0, pci_request_region(pdev, 2, "somebody"));
	KUNIT_EXPECT_FALSE(test, bind(pdev));
	KUNIT_EXPECT_STREQ(test, "", registered(test, pdev));
	pci_release_region(pdev, 2);
	KUNIT_EXPECT_TRUE(test, bind(pdev));
	KUNIT_EXPECT_STREQ(test, "4M+8M", registered(test, pdev));
}

/* ---- whose entry it is ---- */

static void say_of(struct kunit *test, const struct kernel_param *kp,
		   struct pci_dev *pdev, int domain, int bus, int function,
		   const char *others)
{
	char text[64];

	snprintf(text, sizeof(text), "%04x:%02x:%02x.%d/4%s",
		 pci_domain_nr(pdev->bus) + domain, pdev->bus->number + bus,
		 PCI_SLOT(pdev->devfn), PCI_FUNC(pdev->devfn) + function,
		 others);
	KUNIT_ASSERT_EQ_MSG(test, 0, param_say(kp, text), "%s", text);
}

static const struct whose {
	const char *name;
	int domain;
	int bus;
	int function;
	const char *others;
	const char *registered;
} whose[] = {
	{ "own", 0, 0, 0, "", "4M" },
	{ "own_first", 0, 0, 0, ",2", "4M" },
	{ "other_function", 0, 0, 1, "", "8M" },
	{ "other_bus", 0, 1, 0, "", "8M" },
	{ "other_segment", 1, 0, 0, "", "8M" },
	{ "other_function_and_any", 0, 0, 1, ",0", "2M" },
	{ "other_bus_and_any", 0, 1, 0, ",0", "2M" },
	{ "other_segment_and_any", 1, 0, 0, ",0", "2M" },
};

KUNIT_ARRAY_PARAM_DESC(whose, whose, name);

static void stub_whose(struct kunit *test)
{
	const struct kernel_param *kp = resources_begin(test);
	const struct whose *entry = test->param_value;
	struct fabric_fn *fn = make_device(test);
	struct pci_dev *pdev;

	pdev = scan(fn);
	say_of(test, kp, pdev, entry->domain, entry->bus, entry->function,
	       entry->others);
	KUNIT_EXPECT_TRUE(test, bind(pdev));
	KUNIT_EXPECT_STREQ(test, entry->registered, registered(test, pdev));
}

/* ---- the text ---- */

/* Nothing of a text that has a mistake anywhere is taken over. */
static void stub_bad(struct kunit *test)
{
	static const char before[] = "0001:02:03.4/2/0x200000/0x400000";
	const struct kernel_param *kp = resources_begin(test);
	static const char * const bad[] = {
		"x", ",", "2,", "2,,4", "2,x", "2 4", "-1", "+1", "00002",
		"4294967298", "2/", "2/,4", "2/x", "2/M", "2/1Q", "2/-1",
		"2//2M", "2/0/", "2/0/0/0", "2/16E", "2/16384P",
		"2/18446744073709551616", "2/000000000000000000000001",
		"1:2:3.4", "1:2:3.4/", "1:2:3/2", "1:100:3.4/2",
		"1:2:20.4/2", "1:2:3.8/2", "1:2:3.4/x",
		"100000001:2:3.4/2", "1:100000002:3.4/2",
		"1:2:100000003.4/2", "1:2:3.100000004/2",
	};
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, param_say(kp, before));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL, param_say(kp, bad[i]), "%s",
				    bad[i]);
		KUNIT_EXPECT_STREQ(test, param_said(test, kp), before);
	}
}

static const struct spelling {
	const char *said;
	const char *means;
} spellings[] = {
	{ "", "" },
	{ "\n", "" },
	{ "3", "3/0x0/0x0" },
	{ "3\n", "3/0x0/0x0" },
	{ "0/1K/1M", "0/0x400/0x100000" },
	{ "0/1g/1t", "0/0x40000000/0x10000000000" },
	{ "0/1P", "0/0x4000000000000/0x0" },
	{ "0/0x10/010", "0/0x10/0x8" },
	{ "1:2:3.4/5,6", "0001:02:03.4/5/0x0/0x0,6/0x0/0x0" },
	{ "0:ff:1f.7/0", "0000:ff:1f.7/0/0x0/0x0" },
	{ "2/16383P", "2/0xfffc000000000000/0x0" },
};

static void stub_spelling(struct kunit *test)
{
	const struct kernel_param *kp = resources_begin(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(spellings); i++) {
		KUNIT_EXPECT_EQ(test, 0, param_say(kp, spellings[i].said));
		KUNIT_EXPECT_STREQ(test, param_said(test, kp),
				   spellings[i].means);
	}
}

/* 16 of them, and not one more */
static void stub_many(struct kunit *test)
{
	const struct kernel_param *kp = resources_begin(test);
	char text[2 * 17 + 1] = "";
	unsigned int i;

	for (i = 0; i < 16; i++)
		strlcat(text, i ? ",2" : "2", sizeof(text));
	KUNIT_EXPECT_EQ(test, 0, param_say(kp, text));
	strlcat(text, ",2", sizeof(text));
	KUNIT_EXPECT_EQ(test, -E2BIG, param_say(kp, text));
	KUNIT_EXPECT_EQ(test, 16 * strlen("2/0x0/0x0,") - 1,
			strlen(param_said(test, kp)));
}

static struct kunit_case stub_cases[] = {
	KUNIT_CASE_PARAM(stub_wishes, wish_gen_params),
	KUNIT_CASE(stub_no_prefetchable),
	KUNIT_CASE(stub_largest),
	KUNIT_CASE(stub_in_use),
	KUNIT_CASE_PARAM(stub_whose, whose_gen_params),
	KUNIT_CASE(stub_bad),
	KUNIT_CASE(stub_spelling),
	KUNIT_CASE(stub_many),
	{}
};

static struct kunit_suite stub_suite = {
	.name = "p2pdma_stub",
	.suite_init = stub_init,
	.test_cases = stub_cases,
};

kunit_test_suite(stub_suite);

MODULE_DESCRIPTION("KUnit suite of the driver that registers any BAR");
MODULE_LICENSE("GPL");
