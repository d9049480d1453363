/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What drivers/pci/p2pdma/{route,acs,hostbridge,explain}.c and the ACS quirks want
 * of the kernel, for user space.
 *
 * Nothing here decides anything.  Devices and buses are those that machine.c has
 * put together, config space is what the input says, and where the input says
 * nothing shim.c takes the value of the world that is being looked at (see
 * answer.c) and notes that it was asked.
 */
#ifndef _P2PTOPO_KERNEL_H
#define _P2PTOPO_KERNEL_H

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "function.h"

typedef int64_t s64;
typedef u64 phys_addr_t;

#define CONFIG_PCI_P2PDMA	1

#define BIT(n)			(1UL << (n))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define stringify_1(x)		#x
#define __stringify(x)		stringify_1(x)
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, value)	((x) = (value))
#define data_race(x)		(x)
#define likely(x)		(x)
#define unlikely(x)		(x)
#define FIELD_GET(mask, reg)	(((reg) & (mask)) >> __builtin_ctz(mask))
#ifndef __always_inline
#define __always_inline		inline
#endif
#define __init
/* Whoever gives a policy here can correct it. */
#define SYSTEM_BOOTING		0
#define system_state		1
#define __printf(text, first)	__attribute__((__format__(printf, text, first)))

/* ---- lists ---- */

struct list_head {
	struct list_head *next, *prev;
};

#define list_entry(p, type, member)	container_of(p, type, member)
#define list_for_each_entry(p, head, member) \
	for (p = list_entry((head)->next, typeof(*p), member); \
	     &p->member != (head); \
	     p = list_entry(p->member.next, typeof(*p), member))

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline void list_add_tail(struct list_head *node, struct list_head *head)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline bool list_is_singular(const struct list_head *head)
{
	return head->next != head && head->next == head->prev;
}

/* ---- one thread, so that there is nothing to lock ---- */

struct mutex { int unused; };
struct spinlock { int unused; };
struct rw_semaphore { int unused; };
struct rcu_head { int unused; };

#define DEFINE_MUTEX(name)	struct mutex name __attribute__((unused))
#define DEFINE_SPINLOCK(name)	struct spinlock name __attribute__((unused))
#define lockdep_assert_held(lock) ((void)(lock))
#define down_read(lock)		((void)(lock))
#define up_read(lock)		((void)(lock))
#define guard(kind)		guard_##kind
#define scoped_guard(kind, lock) if (guard_##kind(lock), true)
#define kfree_rcu(p, member)	free(p)

static inline void guard_mutex(struct mutex *lock)
{
	(void)lock;
}

static inline void guard_spinlock_irqsave(struct spinlock *lock)
{
	(void)lock;
}

static inline void guard_rcu(void)
{
}

extern struct rw_semaphore pci_bus_sem;

/* ---- memory and text ---- */

#define GFP_KERNEL		0
#define kfree(p)		free((void *)(p))

static inline void *kmemdup(const void *from, size_t size, int flags)
{
	void *copy = malloc(size);

	(void)flags;
	return copy ? memcpy(copy, from, size) : NULL;
}

int strscpy_size(char *to, const char *from, size_t size);
#define strscpy(to, from, ...)	strscpy_size(to, from, sizeof(to))
/* Of the kernel, which takes any char; that of the library may be a macro. */
#undef isspace
#define isspace(c)		isspace((unsigned char)(c))
char *skip_spaces(const char *text);
int kstrtou16(const char *text, unsigned int base, u16 *value);
int sysfs_emit_at(char *buffer, int at, const char *format, ...) __printf(3, 4);

#define pr_err(...)		shim_complain(__VA_ARGS__)
#define pci_warn(pdev, ...)	shim_say_nothing(pdev, __VA_ARGS__)
#define pci_info(pdev, ...)	shim_say_nothing(pdev, __VA_ARGS__)

void shim_complain(const char *format, ...) __printf(1, 2);

static inline __printf(2, 3)
void shim_say_nothing(const void *pdev, const char *format, ...)
{
	(void)pdev;
	(void)format;
}

struct seq_buf {
	char *buffer;
	size_t size;
	size_t len;
};

#define DECLARE_SEQ_BUF(name, bytes) \
	char name##_bytes[bytes] = ""; \
	struct seq_buf name = { .buffer = name##_bytes, .size = bytes }

void seq_buf_printf(struct seq_buf *text, const char *format, ...) __printf(2, 3);
#define seq_buf_puts(text, s)	seq_buf_printf(text, "%s", s)
#define seq_buf_putc(text, c)	seq_buf_printf(text, "%c", c)
#define seq_buf_str(text)	((text)->buffer)
#define seq_buf_used(text)	((text)->len)
#define seq_buf_has_overflowed(text)	((text)->len + 1 >= (text)->size)
#define seq_buf_clear(text)	((text)->len = 0, (text)->buffer[0] = '\0')

/* ---- xarray: what hostbridge.c keeps of root buses ---- */

struct xarray {
	unsigned int size;
	struct xarray_entry {
		unsigned long key;
		void *value;
	} *entry;
};

#define DEFINE_XARRAY(name)	struct xarray name

void *xa_load(struct xarray *xa, unsigned long key);
void *xa_store(struct xarray *xa, unsigned long key, void *value, int flags);
void *xa_erase(struct xarray *xa, unsigned long key);
#define xa_is_err(p)		((p) == (void *)-1)

/* ---- module parameters: the one that says what host bridges route ---- */

struct kernel_param;

struct kernel_param_ops {
	int (*set)(const char *value, const struct kernel_param *kp);
	int (*get)(char *buffer, const struct kernel_param *kp);
};

#define module_param_cb(name, ops, arg, mode) \
	const struct kernel_param_ops *const shim_param_##name = ops
#define MODULE_PARM_DESC(name, text) struct kernel_param

extern const struct kernel_param_ops *const shim_param_host_bridges;

/* ---- the CPU, and firmware ---- */

#define CONFIG_X86
#define X86_VENDOR_AMD		2

struct cpuinfo_x86 {
	u8 x86_vendor;
	u8 x86;
};

extern struct cpuinfo_x86 boot_cpu_data;
#define boot_cpu_has(feature)	false
#define xchg(p, value)		(*(p) ? true : ((*(p) = (value)), false))

struct device {
	struct device *parent;	/* none has one */
	u64 *dma_mask;
	const char *name;
	const char *routes;	/* words of firmware's property, with commas */
};

#define dev_name(dev)		((dev)->name)

bool device_property_present(const struct device *dev, const char *name);
int device_property_match_string(const struct device *dev, const char *name,
				 const char *word);

#include "pci.h"

#endif /* _P2PTOPO_KERNEL_H */
