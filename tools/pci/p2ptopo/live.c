// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading a machine from sysfs: this one, or a copy of its /sys in a folder.
 *
 * Without the right to it the kernel shows 64 bytes of config space.  What is
 * behind is unknown then, as it is in a file that does not have it.
 *
 * A copy that tar has made is full of zeroes: files of sysfs say that they are longer
 * than they are.  So they are read here; libpci, which has the names, refuses them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pci/pci.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "function.h"

/* The first line of a file of sysfs, NULL if there is none; @format names it */
char *read_line_of(const char *format, ...)
{
	char name[PATH_MAX], *line = NULL;
	size_t room = 0;
	va_list args;
	FILE *file;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	file = fopen(name, "r");
	if (!file)
		return NULL;
	if (getline(&line, &room, file) < 0 || !*line) {
		free(line);
		line = NULL;
	} else {
		line[strcspn(line, "\n")] = '\0';
	}
	fclose(file);
	return line;
}

/* A number in a file of a function; false if there is none */
static bool read_number(const char *folder, const char *name, long *number)
{
	char *line = read_line_of("%s/%s", folder, name), *end;

	if (!line)
		return false;
	*number = strtol(line, &end, 0);
	end = end == line ? NULL : end;
	free(line);
	return end;
}

/* The last part of what a link leads to, and with @up that before it; "" if it is none */
static void read_target(const char *folder, const char *link, bool up, char *last, size_t size)
{
	char name[PATH_MAX], target[PATH_MAX], *slash;
	ssize_t len;

	*last = '\0';
	snprintf(name, sizeof(name), "%s%s%s", folder, *link ? "/" : "", link);
	len = readlink(name, target, sizeof(target) - 1);
	if (len < 0)
		return;
	target[len] = '\0';
	slash = strrchr(target, '/');
	if (slash && up) {
		*slash = '\0';
		slash = strrchr(target, '/');
	}
	snprintf(last, size, "%.*s", (int)size - 1, slash ? slash + 1 : target);
}

/* .../pci0000:00/0000:00:01.0/0000:01:00.0: what is above it is in the path. */
static void read_place(struct function *fn, const char *folder)
{
	char above[64];
	u32 domain;
	u16 bdf;

	read_target(folder, "", true, above, sizeof(above));
	if (parse_bdf(above, &domain, &bdf)) {
		fn->place = PLACE_BELOW;
		fn->parent = (u64)domain << 16 | bdf;
	} else if (!strncmp(above, "pci", 3)) {
		fn->place = PLACE_ON_ROOT;
	}
}

/* The function that a virtual one belongs to */
static void read_physfn(struct function *fn, const char *folder)
{
	char last[64];
	u32 domain;

	read_target(folder, "physfn", false, last, sizeof(last));
	fn->has_pf = parse_bdf(last, &domain, &fn->pf);
}

/* Strings with a NUL behind each: what a device tree says of the host bridge */
static void read_routes(struct function *fn, const char *folder)
{
	char name[PATH_MAX + 64], words[64];
	size_t len, i;
	FILE *file;

	/* The node of a device tree is the controller's, above what has the buses */
	snprintf(name, sizeof(name), "%s/../of_node/linux,pci-p2pdma-routes", folder);
	file = fopen(name, "r");
	if (!file) {
		snprintf(name, sizeof(name), "%s/../../of_node/linux,pci-p2pdma-routes", folder);
		file = fopen(name, "r");
	}
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

static void read_bytes(struct function *fn, const char *folder)
{
	char name[PATH_MAX];
	u8 bytes[CONFIG_SIZE];
	unsigned int at;
	ssize_t len = 0;
	size_t have = 0;
	int file;

	snprintf(name, sizeof(name), "%s/config", folder);
	file = open(name, O_RDONLY);
	if (file < 0)
		return;
	do {
		have += len;
		len = pread(file, bytes + have, sizeof(bytes) - have, have);
	} while (len > 0);
	close(file);
	for (at = 0; at < have; at++)
		function_set_byte(fn, at, bytes[at]);
}

static void read_ids(struct function *fn, const char *folder)
{
	long vendor, device, class, node;

	if (read_number(folder, "vendor", &vendor) && read_number(folder, "device", &device)) {
		fn->vendor = vendor;
		fn->device = device;
		fn->has_ids = true;
	}
	if (read_number(folder, "class", &class)) {
		fn->class = class;
		fn->has_class = true;
	}
	if (read_number(folder, "numa_node", &node))
		fn->numa = node;
}

static void read_function(struct machine *machine, struct pci_access *names,
			  const char *folder, u32 domain, u16 bdf)
{
	struct function *fn = machine_add(machine, domain, bdf);
	char name[256], p2pmem[PATH_MAX];

	read_ids(fn, folder);
	if (fn->has_ids &&
	    pci_lookup_name(names, name, sizeof(name), PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
			    fn->vendor, fn->device))
		fn->name = must(strdup(name));
	read_target(folder, "driver", false, name, sizeof(name));
	if (*name)
		fn->driver = must(strdup(name));
	read_bytes(fn, folder);
	read_place(fn, folder);
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

/*
 * A copy's CPU is known if there is a copy of that, too, and not only of its name: tar
 * finds nothing in files of /proc.
 */
static void read_cpu(struct machine *machine)
{
	char name[PATH_MAX], line[256];
	bool vendor = false, family = false, here;
	FILE *file;

	snprintf(name, sizeof(name), "%s/proc/cpuinfo", machine->root);
	file = fopen(name, "r");
	here = file && !*machine->root;
	while (file && fgets(line, sizeof(line), file) && *line != '\n') {
		/* A line that is cut says nothing. */
		if (!strchr(line, '\n'))
			break;
		if (!strncmp(line, "vendor_id\t: ", 12)) {
			vendor = true;
			machine->cpu_amd = !strcmp(line + 12, "AuthenticAMD\n");
			machine->cpu_intel = !strcmp(line + 12, "GenuineIntel\n");
		} else if (!strncmp(line, "cpu family\t: ", 13)) {
			family = true;
			machine->cpu_family = atoi(line + 13);
		}
	}
	if (file)
		fclose(file);
	/* Other architectures have neither, and none of the CPUs that are known to route. */
	machine->cpu_known = (vendor && family) || (here && !vendor && !family);
}

static __attribute__((noreturn)) void fail(char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("p2ptopo: libpci: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void ignore(char *format, ...)
{
	(void)format;
}

/* Nothing is read by this but the names of devices. */
static struct pci_access *open_names(void)
{
	struct pci_access *names = pci_alloc();

	names->error = fail;
	names->warning = ignore;
	names->method = PCI_ACCESS_SYS_BUS_PCI;
	pci_init(names);
	return names;
}

static void read_functions(struct machine *machine, const char *path)
{
	struct pci_access *names = open_names();
	char folder[PATH_MAX - 64];
	struct dirent *entry;
	u32 domain;
	DIR *dir;
	u16 bdf;

	snprintf(folder, sizeof(folder), "%s/devices", path);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		if (!parse_bdf(entry->d_name, &domain, &bdf))
			continue;
		snprintf(folder, sizeof(folder), "%.*s/devices/%.*s", PATH_MAX - 128, path,
			 BDF_SIZE, entry->d_name);
		read_function(machine, names, folder, domain, bdf);
	}
	if (dir)
		closedir(dir);
	pci_cleanup(names);
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

	if (folder && !find_bus(machine, folder, path, sizeof(path)))
		return false;
	if (!folder) {
		machine->sys = must(strdup("/sys"));
		machine->root = must(strdup(""));
	}
	read_functions(machine, path);
	machine->live = !folder;
	if (machine->root && !machine->cpu_known)
		read_cpu(machine);
	if (machine->num)
		return true;
	fprintf(stderr, "p2ptopo: %s: no PCI functions: give a file of another machine with -F\n",
		path);
	return false;
}
