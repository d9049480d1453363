// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading a machine by libpci: this one, or a copy of its /sys in a folder.
 *
 * Without the right to it the kernel shows 64 bytes of config space.  What is
 * behind is unknown then, as it is in a file that does not have it.
 */
#include <limits.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "function.h"

static jmp_buf failure;

static __attribute__((noreturn)) void fail(char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("p2ptopo: libpci: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	longjmp(failure, 1);
}

static void ignore(char *format, ...)
{
	(void)format;
}

/* The first line of a file of sysfs, NULL if there is none; @format names it */
char *read_line_of(const char *format, ...)
{
	char name[PATH_MAX], line[256];
	char *text = NULL;
	va_list args;
	FILE *file;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	file = fopen(name, "r");
	if (!file)
		return NULL;
	if (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		text = must(strdup(line));
	}
	fclose(file);
	return text;
}

/* The function that a virtual one belongs to */
static void read_physfn(struct function *fn, const char *folder)
{
	char name[PATH_MAX], target[PATH_MAX], *last;
	ssize_t len;
	u32 domain;

	snprintf(name, sizeof(name), "%s/physfn", folder);
	len = readlink(name, target, sizeof(target) - 1);
	if (len < 0)
		return;
	target[len] = '\0';
	last = strrchr(target, '/');
	fn->has_pf = parse_bdf(last ? last + 1 : target, &domain, &fn->pf);
}

/* Strings with a NUL behind each: what a device tree says of the host bridge */
static void read_routes(struct function *fn, const char *folder)
{
	char name[PATH_MAX + 64], words[64];
	size_t len, i;
	FILE *file;

	snprintf(name, sizeof(name), "%s/../of_node/linux,pci-p2pdma-routes", folder);
	file = fopen(name, "r");
	if (!file)
		return;
	len = fread(words, 1, sizeof(words) - 1, file);
	fclose(file);
	while (len && !words[len - 1])
		len--;
	words[len] = '\0';
	for (i = 0; i < len; i++)
		if (!words[i])
			words[i] = ',';
	fn->routes = must(strdup(words));
}

/* Lines of first and last address and flags: the kernel's list of resources */
static void read_resources(struct function *fn, const char *folder)
{
	enum { MEMORY = 0x200, PREFETCH = 0x2000, WIDE = 0x100000, UNSET = 0x20000000 };
	unsigned long long first, last, flags;
	char name[PATH_MAX];
	struct bar *bar;
	FILE *file;

	snprintf(name, sizeof(name), "%s/resource", folder);
	file = fopen(name, "r");
	if (!file)
		return;
	for (bar = fn->bar; bar < fn->bar + BARS; bar++) {
		if (fscanf(file, "%llx %llx %llx", &first, &last, &flags) != 3)
			break;
		if (!(flags & MEMORY))
			continue;
		bar->present = true;
		bar->base = first;
		bar->size = last - first + 1;
		bar->wide = flags & WIDE;
		bar->prefetchable = flags & PREFETCH;
		bar->unset = flags & UNSET || !first;
	}
	fn->has_bars = bar == fn->bar + BARS;
	fclose(file);
}

static void read_bytes(struct function *fn, struct pci_dev *dev)
{
	static const unsigned int ends[] = { 64, 256, CONFIG_SIZE };
	u8 bytes[CONFIG_SIZE];
	unsigned int at = 0, i, j;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		if (!pci_read_block(dev, at, bytes + at, ends[i] - at))
			return;
		for (j = at; j < ends[i]; j++)
			function_set_byte(fn, j, bytes[j]);
		at = ends[i];
	}
}

static void read_function(struct machine *machine, struct pci_access *pacc,
			  struct pci_dev *dev, const char *sysfs)
{
	struct function *fn = machine_add(machine, dev->domain,
					  dev->bus << 8 | dev->dev << 3 | dev->func);
	char folder[PATH_MAX - 64], address[BDF_SIZE], name[256], p2pmem[PATH_MAX];
	const char *driver;

	pci_fill_info(dev, PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_DRIVER |
		      PCI_FILL_NUMA_NODE);
	fn->vendor = dev->vendor_id;
	fn->device = dev->device_id;
	fn->has_ids = true;
	fn->class = (u32)dev->device_class << 8;
	fn->has_class = true;
	fn->numa = dev->numa_node;
	driver = pci_get_string_property(dev, PCI_FILL_DRIVER);
	if (driver)
		fn->driver = must(strdup(driver));
	if (pci_lookup_name(pacc, name, sizeof(name), PCI_LOOKUP_VENDOR |
			    PCI_LOOKUP_DEVICE, dev->vendor_id, dev->device_id))
		fn->name = must(strdup(name));
	read_bytes(fn, dev);

	snprintf(folder, sizeof(folder), "%s/devices/%s", sysfs,
		 bdf_text(address, fn->domain, fn->bdf));
	read_physfn(fn, folder);
	read_routes(fn, folder);
	read_resources(fn, folder);
	fn->iommu = read_line_of("%s/iommu_group/type", folder);
	snprintf(p2pmem, sizeof(p2pmem), "%s/p2pmem", folder);
	fn->provider = !access(p2pmem, F_OK);
}

/* Where in a folder the PCI bus of a sysfs is, and what there is besides */
static bool find_bus(struct machine *machine, const char *folder, char *path, size_t size)
{
	static const char * const below[] = { "bus/pci", "sys/bus/pci", "." };
	char devices[PATH_MAX];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(below); i++) {
		snprintf(path, size, "%s/%s", folder, below[i]);
		snprintf(devices, sizeof(devices), "%s/devices", path);
		if (access(devices, R_OK))
			continue;
		if (i < 2)
			machine->sys = must(strndup(path, strlen(path) - strlen("/bus/pci")));
		/* A copy of /proc and /boot may be beside one of /sys. */
		machine->root = i == 1 ? must(strdup(folder)) : NULL;
		return true;
	}
	fprintf(stderr, "p2ptopo: %s: no bus/pci/devices in this folder: expected a copy of /sys\n",
		folder);
	return false;
}

/* A copy's CPU is known if there is a copy of that, too. */
static void read_cpu(struct machine *machine)
{
	char name[PATH_MAX], line[256];
	FILE *file;

	snprintf(name, sizeof(name), "%s/proc/cpuinfo", machine->root);
	file = fopen(name, "r");
	machine->cpu_known = file || !*machine->root;
	while (file && fgets(line, sizeof(line), file) && *line != '\n') {
		if (!strcmp(line, "vendor_id\t: AuthenticAMD\n"))
			machine->cpu_amd = true;
		if (!strncmp(line, "cpu family\t: ", 13))
			machine->cpu_family = atoi(line + 13);
	}
	if (file)
		fclose(file);
}

/**
 * live_read - read this machine, or a copy of a sysfs
 * @machine: functions are added to it
 * @folder: the copy; NULL for this machine
 *
 * Return: false if there are no PCI functions, after saying why.
 */
bool live_read(struct machine *machine, const char *folder)
{
	char path[PATH_MAX - 128] = "/sys/bus/pci";
	struct pci_access *pacc;
	struct pci_dev *dev;

	if (folder && !find_bus(machine, folder, path, sizeof(path)))
		return false;
	if (!folder) {
		machine->sys = must(strdup("/sys"));
		machine->root = must(strdup(""));
	}
	if (setjmp(failure))
		return false;
	pacc = pci_alloc();
	pacc->error = fail;
	pacc->warning = ignore;
	pacc->method = PCI_ACCESS_SYS_BUS_PCI;
	pci_set_param(pacc, "sysfs.path", path);
	pci_init(pacc);
	pci_scan_bus(pacc);
	for (dev = pacc->devices; dev; dev = dev->next)
		read_function(machine, pacc, dev, path);
	pci_cleanup(pacc);
	machine->live = true;
	if (machine->root && !machine->cpu_known)
		read_cpu(machine);
	if (machine->num)
		return true;
	fprintf(stderr, "p2ptopo: %s: no PCI functions: give a file of another machine with -F\n",
		path);
	return false;
}
