// SPDX-License-Identifier: GPL-2.0-only
/*
 * What calls with odd arguments are tried on.
 */
#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>

#include "arguments.h"
#include "fabric.h"
#include "provider.h"

static void put(void *pdev)
{
	pci_dev_put(pdev);
}

/* Somebody has kept a reference to it, but it is not there any more. */
static struct pci_dev *removed(struct kunit *test, struct fabric_fn *fn)
{
	struct pci_dev *pdev = pci_dev_get(fn->pdev);

	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, put, pdev));
	provider_register(test, fn);
	fabric_unplug(fn);
	return pdev;
}

static struct odd_devices *make_devices(struct kunit *test)
{
	struct odd_devices *d = kunit_kzalloc(test, sizeof(*d), GFP_KERNEL);
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *sw, *provider, *other, *plain, *gone;

	KUNIT_ASSERT_NOT_NULL(test, d);
	sw = switch_under(root_port(host_bridge(fabric)), 4);
	provider = endpoint_under(downstream(sw, 0));
	other = endpoint_under(downstream(sw, 1));
	plain = endpoint_under(downstream(sw, 2));
	gone = endpoint_under(downstream(sw, 3));
	fabric_scan(fabric);
	provider_register(test, provider);
	provider_register(test, other);
	d->provider = provider->pdev;
	d->other = other->pdev;
	d->plain = plain->pdev;
	d->gone = removed(test, gone);
	d->nowhere = kunit_kzalloc(test, sizeof(*d->nowhere), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, d->nowhere);
	d->nowhere->init_name = "nowhere";
	d->ram = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, d->ram);

	d->first = provider_alloc(test, provider, PAGE_SIZE);
	d->bus = provider_bar_register(provider);
	d->mine = provider_alloc(test, provider, PAGE_SIZE);
	d->theirs = provider_alloc(test, other, PAGE_SIZE);
	d->freed = pci_alloc_p2pmem(d->provider, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, d->freed);
	pci_free_p2pmem(d->provider, d->freed, PAGE_SIZE);
	return d;
}

/**
 * odd_try - make a call, which is answered as the table says
 * @test: test
 * @odd: entry of the table
 *
 * Nothing has changed either.
 */
void odd_try(struct kunit *test, const struct odd *odd)
{
	struct odd_devices *d = make_devices(test);
	struct provider_state before = provider_view(d->provider);

	KUNIT_EXPECT_EQ(test, odd->call(d), odd->ours);
	provider_expect(test, d->provider, before.ranges, before.size,
			before.available);
	KUNIT_EXPECT_FALSE(test, provider_view(d->plain).registered);
	KUNIT_EXPECT_FALSE(test, provider_view(d->provider).published);
}
