// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peer memory of devices in a fabric, jobs that wait for it, and what the
 * administrator says about it.
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/kernfs.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/rculist.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "provider.h"

/**
 * provider_register - register all of a function's first BAR
 * @test: test; ends here if it does not work
 * @fn: function, scanned
 */
void provider_register(struct kunit *test, struct fabric_fn *fn)
{
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(fn->pdev, 0, 0, 0));
}

struct piece {
	struct fabric_fn *fn;
	void *addr;
	size_t size;
};

static void give_back(void *data)
{
	struct piece *piece = data;

	pci_free_p2pmem(piece->fn->pdev, piece->addr, piece->size);
}

/**
 * provider_alloc - allocate memory of a function
 * @test: test; ends here if there is none
 * @fn: provider
 * @size: number of bytes
 *
 * The memory is given back when the test ends, before the fabric goes.
 *
 * Return: its kernel address.
 */
void *provider_alloc(struct kunit *test, struct fabric_fn *fn, size_t size)
{
	struct piece *piece = kunit_kzalloc(test, sizeof(*piece), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, piece);
	piece->fn = fn;
	piece->size = size;
	piece->addr = pci_alloc_p2pmem(fn->pdev, size);
	KUNIT_ASSERT_NOT_NULL(test, piece->addr);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, give_back, piece));
	return piece->addr;
}

/**
 * provider_bar_register - where the first BAR is, as the device has it
 * @fn: function with a 64-bit BAR 0
 *
 * Return: the address on its bus.
 */
u64 provider_bar_register(const struct fabric_fn *fn)
{
	u64 low = fabric_config_get(fn, PCI_BASE_ADDRESS_0, 4);
	u64 high = fabric_config_get(fn, PCI_BASE_ADDRESS_1, 4);

	return high << 32 | (low & PCI_BASE_ADDRESS_MEM_MASK);
}

/**
 * provider_bus_address - bus address of peer memory, worked out from the BAR
 * @fn: provider, by its first BAR
 * @addr: kernel address in its memory
 *
 * Return: the address on its bus.
 */
u64 provider_bus_address(const struct fabric_fn *fn, void *addr)
{
	return provider_bar_register(fn) + page_to_phys(virt_to_page(addr)) +
	       offset_in_page(addr) - pci_resource_start(fn->pdev, 0);
}

/* ---- all that can be seen of a provider from outside ---- */

/**
 * provider_attribute - does sysfs show the memory of a device?
 * @pdev: device
 * @name: attribute in p2pmem/, NULL for that itself
 *
 * Return: true if it is there.
 */
bool provider_attribute(struct pci_dev *pdev, const char *name)
{
	struct kernfs_node *group, *attr = NULL;

	group = sysfs_get_dirent(pdev->dev.kobj.sd, "p2pmem");
	if (group && name)
		attr = sysfs_get_dirent(group, name);
	kernfs_put(attr);
	kernfs_put(group);
	return name ? attr : group;
}

/**
 * provider_view - see a provider from outside
 * @pdev: device
 *
 * Return: what there is to be seen.
 */
struct provider_state provider_view(struct pci_dev *pdev)
{
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	struct provider_state sight = {
		.published = pci_has_p2pmem(pdev),
		.group = provider_attribute(pdev, NULL),
		.allocate = provider_attribute(pdev, "allocate"),
	};

#ifdef CONFIG_PM
	sight.awake = atomic_read(&pdev->dev.power.usage_count);
#endif
	guard(rcu)();
	p2pdma = rcu_dereference(pdev->p2pdma);
	sight.registered = !!p2pdma;
	if (!p2pdma)
		return sight;
	list_for_each_entry_rcu(mem, &p2pdma->resources, node) {
		sight.size += mem->res.size;
		sight.available += p2pdma_pool_available(&mem->pool);
		sight.ranges++;
	}
	return sight;
}

/**
 * provider_expect - a device has to have registered just this
 * @test: test
 * @pdev: device
 * @ranges: number of ranges, 0 if it is to be no provider
 * @size: bytes that are registered
 * @available: bytes of these that are free
 */
void provider_expect(struct kunit *test, struct pci_dev *pdev, u32 ranges,
		     u64 size, u64 available)
{
	struct provider_state sight = provider_view(pdev);

	KUNIT_EXPECT_EQ(test, sight.ranges, ranges);
	KUNIT_EXPECT_EQ(test, sight.size, size);
	KUNIT_EXPECT_EQ(test, sight.available, available);
	KUNIT_EXPECT_EQ(test, sight.registered, ranges > 0);
	KUNIT_EXPECT_EQ(test, sight.group, ranges > 0);
	KUNIT_EXPECT_EQ(test, sight.allocate, ranges > 0);
}

/* ---- jobs ---- */

static void job_work(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work);

	job->fn(job->data);
	complete_all(&job->done);
}

static void job_flush(void *data)
{
	struct job *job = data;

	flush_work(&job->work);
}

/**
 * job_start - do something beside the test
 * @test: test; does not end before the job has
 * @fn: what to do; no assertions in it
 * @data: passed to @fn
 *
 * Return: the job.
 */
struct job *job_start(struct kunit *test, void (*fn)(void *data), void *data)
{
	struct job *job = kunit_kzalloc(test, sizeof(*job), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, job);
	job->fn = fn;
	job->data = data;
	INIT_WORK(&job->work, job_work);
	init_completion(&job->done);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, job_flush, job));
	queue_work(system_unbound_wq, &job->work);
	return job;
}

/**
 * job_waits - is a job still there after a moment?
 * @job: job
 *
 * Return: true if it has not ended.
 */
bool job_waits(struct job *job)
{
	return !wait_for_completion_timeout(&job->done, HZ / 10);
}

/**
 * job_ends - does a job come to its end?
 * @job: job
 *
 * Return: true if it does within 10 seconds.
 */
bool job_ends(struct job *job)
{
	return wait_for_completion_timeout(&job->done, 10 * HZ);
}

/* ---- parameters ---- */

/**
 * param_say - set a parameter of the kernel's
 * @kp: parameter
 * @text: its new value
 *
 * Return: 0 or the error that the parameter's owner has for it.
 */
int param_say(const struct kernel_param *kp, const char *text)
{
	int error;

	kernel_param_lock(kp->mod);
	error = kp->ops->set(text, kp);
	kernel_param_unlock(kp->mod);
	return error;
}

/**
 * param_said - what a parameter is now
 * @test: test; the text lives as long
 * @kp: parameter
 *
 * Return: the value, without newline.
 */
char *param_said(struct kunit *test, const struct kernel_param *kp)
{
	char *text = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, text);
	kernel_param_lock(kp->mod);
	KUNIT_EXPECT_GT(test, kp->ops->get(text, kp), 0);
	kernel_param_unlock(kp->mod);
	return strim(text);
}

struct param_before {
	const struct kernel_param *kp;
	const char *text;
};

static void param_restore(void *data)
{
	struct param_before *before = data;

	param_say(before->kp, before->text);
}

static const struct kernel_param *param_find(struct kunit *test,
					     const char *name)
{
	const struct kernel_param *kp;

	for (kp = __start___param; kp < __stop___param; kp++)
		if (!strcmp(kp->name, name))
			return kp;
	KUNIT_FAIL_AND_ABORT(test, "no parameter %s", name);
	return NULL;
}

/**
 * param_begin - a test is about to change a parameter
 * @test: test; when it ends, the parameter is again what it is now
 * @name: with the module in front, as on the kernel's command line
 *
 * Return: the parameter.
 */
const struct kernel_param *param_begin(struct kunit *test, const char *name)
{
	struct param_before *before;

	before = kunit_kzalloc(test, sizeof(*before), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, before);
	before->kp = param_find(test, name);
	before->text = param_said(test, before->kp);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, param_restore,
							   before));
	return before->kp;
}
