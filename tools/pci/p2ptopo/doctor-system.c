// SPDX-License-Identifier: GPL-2.0-only
/*
 * What doctor finds of the kernel and of the machine as a whole.  All of it is read
 * from what is below /sys, /proc and /boot; text that lspci has printed has none.
 */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "doctor.h"

#define ROUTE		"/sys/kernel/debug/p2pdma/route"
#define STUB		"pci-p2pmem-stub"
#define ENOUGH		256	/* of the name of an option */

static bool exists(const char *folder, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return !access(path, F_OK);
}

/* The first line of a file of /sys, NULL if there is none or no /sys */
static char *line_of_sys(const struct machine *machine, const char *name)
{
	return machine->sys ? read_line_of("%s/%s", machine->sys, name) : NULL;
}

char *line_of_device(const struct machine *machine, const struct pci_dev *pdev,
		     const char *file)
{
	char address[BDF_SIZE];

	if (!machine->sys)
		return NULL;
	return read_line_of("%s/bus/pci/devices/%s/%s", machine->sys,
			    pdev_text(address, pdev), file);
}

bool has_providers(const struct machine *machine)
{
	unsigned int i;

	for (i = 0; i < machine->num; i++)
		if (machine->function[i].provider)
			return true;
	return false;
}

/* ---- the kernel's configuration ---- */

static FILE *open_config(const struct machine *machine)
{
	static const char * const names[] = { "boot/config-%s", "lib/modules/%s/config" };
	char path[PATH_MAX], name[ENOUGH];
	FILE *file = NULL;
	char *release;
	unsigned int i;

	release = read_line_of("%s/proc/sys/kernel/osrelease", machine->root);
	for (i = 0; release && !file && i < ARRAY_SIZE(names); i++) {
		snprintf(name, sizeof(name), names[i], release);
		snprintf(path, sizeof(path), "%s/%s", machine->root, name);
		file = fopen(path, "r");
	}
	free(release);
	return file;
}

/* In the last part of a whole configuration */
#define LAST_MENU	"# end of Kernel hacking"

/* 'y', 'm', or 'n'; 0 if nobody says: one that is not there may have been cut off. */
static char option(const struct machine *machine, const char *name)
{
	FILE *file = machine->root ? open_config(machine) : NULL;
	size_t len = strlen(name);
	char line[ENOUGH], value = 0;
	bool whole = false;

	/* This kernel may have it inside; another program unpacks it. */
	bool inside = !file && machine->root && !*machine->root &&
		      !access("/proc/config.gz", R_OK);

	if (inside)
		file = popen("gzip -dc /proc/config.gz 2>/dev/null", "r");
	while (file && !value && fgets(line, sizeof(line), file)) {
		whole |= !strncmp(line, LAST_MENU, strlen(LAST_MENU));
		if (!strncmp(line, name, len) && line[len] == '=')
			value = line[len + 1];
		else if (!strncmp(line, "# ", 2) && !strncmp(line + 2, name, len) &&
			 !strncmp(line + 2 + len, " is not set", 11))
			value = 'n';
	}
	if (file && inside)
		pclose(file);
	else if (file)
		fclose(file);
	return value ?: whole ? 'n' : 0;
}

/*
 * The names of a kernel's functions are not secret, only their addresses.  Those of
 * modules are behind them: where there are any, none is cut off.
 */
static enum tri has_symbol(const struct machine *machine, const char *name)
{
	char path[PATH_MAX], line[ENOUGH], symbol[128];
	enum tri there = NOT_KNOWN;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/kallsyms", machine->root);
	file = fopen(path, "r");
	while (file && there != YES && fgets(line, sizeof(line), file)) {
		if (strchr(line, '['))
			there = NO;
		if (sscanf(line, "%*s %*s %127s", symbol) == 1 && !strcmp(symbol, name))
			there = YES;
	}
	if (file)
		fclose(file);
	return there;
}

bool stub_is_there(const struct machine *machine)
{
	return machine->sys && exists(machine->sys, "bus/pci/drivers/" STUB);
}

static enum tri has_p2pdma(const struct machine *machine)
{
	char value;

	if ((machine->sys && exists(machine->sys, "module/pci_p2pdma")) || has_providers(machine))
		return YES;
	if (!machine->root)
		return NOT_KNOWN;
	value = option(machine, "CONFIG_PCI_P2PDMA");
	if (value)
		return value == 'n' ? NO : YES;
	return has_symbol(machine, "pci_p2pdma_add_resource");
}

static void check_kernel(struct diagnosis *diagnosis)
{
	const struct machine *machine = diagnosis->view->machine;
	char *release = machine->root ?
			read_line_of("%s/proc/sys/kernel/osrelease", machine->root) : NULL;

	switch (has_p2pdma(machine)) {
	case YES:
		found(diagnosis, HEALTH_OK, "kernel", "%s%s has CONFIG_PCI_P2PDMA",
		      release ? "Linux " : "it", release ?: "");
		break;
	case NO:
		found(diagnosis, HEALTH_PROBLEM, "kernel", "%s%s has no CONFIG_PCI_P2PDMA",
		      release ? "Linux " : "it", release ?: "");
		remedy(diagnosis, "a kernel with CONFIG_PCI_P2PDMA=y, which needs ZONE_DEVICE, MEMORY_HOTPLUG, MEMORY_HOTREMOVE and SPARSEMEM_VMEMMAP");
		break;
	default:
		found(diagnosis, HEALTH_UNKNOWN, "kernel",
		      "whether it has CONFIG_PCI_P2PDMA is not in the input");
		remedy(diagnosis, "there: grep PCI_P2PDMA /boot/config-$(uname -r)");
	}
	free(release);
}

/* ---- lockdown, encryption, hypervisor ---- */

/* Where the kernel takes a question by debugfs it is not locked down. */
static bool takes_questions(const struct machine *machine)
{
	int fd = machine->root && !*machine->root ? open(ROUTE, O_RDWR) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Is there memory of a driver that knows it to be memory? */
static bool has_known_memory(const struct diagnosis *diagnosis)
{
	const struct machine *machine = diagnosis->view->machine;
	const struct function *fn;
	unsigned int i;

	for (i = 0; i < machine->num; i++) {
		fn = &machine->function[i];
		if (diagnosis->provider && diagnosis->provider != &machine->pdev[i])
			continue;
		if (fn->provider && fn->driver && strcmp(fn->driver, STUB))
			return true;
	}
	return false;
}

static void check_lockdown(struct diagnosis *diagnosis)
{
	const struct machine *machine = diagnosis->view->machine;
	char *line = line_of_sys(machine, "kernel/security/lockdown");
	char *lsm = line_of_sys(machine, "kernel/security/lsm");
	bool none = line ? !!strstr(line, "[none]") :
		    (lsm && *lsm && !strstr(lsm, "lockdown")) || takes_questions(machine) ||
		    option(machine, "CONFIG_SECURITY_LOCKDOWN_LSM") == 'n';

	if (none) {
		found(diagnosis, HEALTH_OK, "lockdown", "the kernel is not locked down");
	} else if (line) {
		bool harmless = has_known_memory(diagnosis);

		found(diagnosis, harmless ? HEALTH_OK : HEALTH_PROBLEM, "lockdown",
		      "the kernel is locked down (%s): no BAR is registered by pci-p2pmem-stub, and such memory is not mapped; what a driver knows to be memory is",
		      line);
		if (!harmless)
			remedy(diagnosis, "a provider with a driver of its own, such as a drive with a CMB; or no Secure Boot, no lockdown=");
	} else {
		found(diagnosis, HEALTH_UNKNOWN, "lockdown",
		      "whether the kernel is locked down cannot be read");
		remedy(diagnosis, "there, as root: mount -t securityfs none /sys/kernel/security; cat /sys/kernel/security/lockdown");
	}
	free(line);
	free(lsm);
}

/* Has a line of a file of /proc that begins with @begin this word? */
static enum tri has_word(const struct machine *machine, const char *name,
			 const char *begin, const char *word)
{
	char path[PATH_MAX], *line = NULL, *at, *save;
	enum tri there = NOT_KNOWN;
	size_t room = 0;
	FILE *file;

	if (!machine->root)
		return NOT_KNOWN;
	snprintf(path, sizeof(path), "%s/proc/%s", machine->root, name);
	file = fopen(path, "r");
	while (file && there == NOT_KNOWN && getline(&line, &room, file) >= 0) {
		if (strncmp(line, begin, strlen(begin)))
			continue;
		there = NO;
		for (at = strtok_r(line, " \t\n", &save); at; at = strtok_r(NULL, " \t\n", &save))
			if (!strcmp(at, word))
				there = YES;
	}
	if (file)
		fclose(file);
	free(line);
	return there;
}

/*
 * A guest of SEV need not know that it is one by any file.  It is none on a CPU of Intel,
 * with a kernel that has nothing of it, or where memory is registered all the same.
 */
static bool may_be_sev(const struct machine *machine)
{
	return has_word(machine, "cpuinfo", "flags", "hypervisor") == YES &&
	       !machine->cpu_intel && !has_providers(machine) &&
	       option(machine, "CONFIG_AMD_MEM_ENCRYPT") != 'n';
}

static void check_encryption(struct diagnosis *diagnosis)
{
	const struct machine *machine = diagnosis->view->machine;
	enum tri guest = has_word(machine, "cpuinfo", "flags", "tdx_guest");
	enum tri asked = has_word(machine, "cmdline", "", "mem_encrypt=on");
	bool sev = machine->sys && exists(machine->sys, "devices/platform/sev-guest");

	if (guest == YES || asked == YES || sev) {
		found(diagnosis, HEALTH_PROBLEM, "encryption",
		      "memory is encrypted (%s): nothing is registered",
		      asked == YES ? "mem_encrypt=on" : sev ? "SEV" : "TDX");
		remedy(diagnosis, asked == YES ? "mem_encrypt=off on the kernel's command line" :
		       "a virtual machine that is not confidential");
	} else if (may_be_sev(machine)) {
		found(diagnosis, HEALTH_UNKNOWN, "encryption",
		      "whether the hypervisor has the memory of this guest encrypted (SEV) is in no file of it");
		remedy(diagnosis, "there, as root: dmesg | grep -i encrypt");
	} else if (guest == NO && asked == NO) {
		found(diagnosis, HEALTH_OK, "encryption",
		      "no sign of encrypted memory (SME, SEV, TDX)");
	} else {
		found(diagnosis, HEALTH_UNKNOWN, "encryption",
		      "whether memory is encrypted (SME, SEV, TDX) is not in the input");
		remedy(diagnosis, "there: cat /proc/cmdline; dmesg | grep -i encrypt");
	}
}

/* By who stands for the host bridges, where the CPU says nothing */
static enum tri looks_virtual(const struct machine *machine)
{
	enum tri seen = NOT_KNOWN;
	unsigned int i;

	for (i = 0; i < machine->num; i++) {
		if (machine->pdev[i].class >> 8 != PCI_CLASS_BRIDGE_HOST ||
		    !machine->function[i].has_ids)
			continue;
		if (is_made_up(&machine->function[i]))
			return YES;
		seen = NO;
	}
	return seen;
}

static void check_guest(struct diagnosis *diagnosis)
{
	const struct machine *machine = diagnosis->view->machine;
	enum tri guest = has_word(machine, "cpuinfo", "flags", "hypervisor");

	if (guest == NOT_KNOWN)
		guest = looks_virtual(machine);
	if (guest == NO) {
		found(diagnosis, HEALTH_OK, "hypervisor", "no sign of one");
	} else if (guest == YES) {
		found(diagnosis, HEALTH_UNKNOWN, "hypervisor",
		      "this is a virtual machine: verdicts are about the topology that it is shown, what the host does with a request is not known");
		remedy(diagnosis, "p2ptopo measure shows whether data arrive; on the host, p2ptopo explain of the devices that were passed on");
	} else {
		found(diagnosis, HEALTH_UNKNOWN, "hypervisor",
		      "whether there is one is not in the input");
		remedy(diagnosis, "there: grep -w hypervisor /proc/cpuinfo");
	}
}

/* ---- IOMMU ---- */

/* What the groups of functions are used as */
static enum iommu groups_say(const struct machine *machine, const struct pci_dev *client)
{
	enum iommu mode = IOMMU_NOT_KNOWN;
	const char *type;
	unsigned int i;

	for (i = 0; i < machine->num; i++) {
		type = machine->function[i].iommu;
		if (!type || (client && client != &machine->pdev[i]))
			continue;
		if (!strncmp(type, "DMA", 3))
			return IOMMU_ON;
		if (!strcmp(type, "identity"))
			mode = IOMMU_PT;
	}
	return mode;
}

/* Nobody has registered one.  A copy has to show it; this kernel may have no such folder. */
static bool no_iommu(const struct machine *machine)
{
	char folder[PATH_MAX];
	struct dirent *entry;
	bool empty = true;
	DIR *dir;

	if (!machine->sys)
		return false;
	snprintf(folder, sizeof(folder), "%s/class/iommu", machine->sys);
	dir = opendir(folder);
	if (!dir)
		return machine->root && !*machine->root && errno == ENOENT;
	while ((entry = readdir(dir)))
		empty &= *entry->d_name == '.';
	closedir(dir);
	return empty;
}

static void check_iommu(struct diagnosis *diagnosis)
{
	const struct view *view = diagnosis->view;
	enum iommu mode = view->iommu;

	if (mode == IOMMU_NOT_KNOWN)
		mode = groups_say(view->machine, diagnosis->client);
	if (mode == IOMMU_NOT_KNOWN && no_iommu(view->machine))
		mode = IOMMU_OFF;
	switch (mode) {
	case IOMMU_ON:
		found(diagnosis, HEALTH_OK, "iommu",
		      "it translates: by way of the root complex a client gets an IOVA, and the kernel enables ACS redirect at each port that has it");
		break;
	case IOMMU_PT:
		found(diagnosis, HEALTH_OK, "iommu",
		      "it passes addresses through; the kernel enables ACS redirect at each port that has it");
		break;
	case IOMMU_OFF:
		found(diagnosis, HEALTH_OK, "iommu",
		      "none is in use: clients get physical addresses");
		break;
	default:
		found(diagnosis, HEALTH_UNKNOWN, "iommu", "what it does is not in the input");
		remedy(diagnosis, "say --iommu on, pt or off; there: cat /sys/kernel/iommu_groups/*/type");
	}
}

/* ---- NVMe ---- */

static bool is_nvme(const struct pci_dev *pdev)
{
	return pdev->class >> 8 == PCI_CLASS_STORAGE_EXPRESS >> 8;
}

/* A path of a multipath disk is called nvmeScCnN. */
static bool is_path(const char *name)
{
	unsigned int subsystem, controller, namespace;
	int end = 0;

	return sscanf(name, "nvme%uc%un%u%n", &subsystem, &controller, &namespace, &end) == 3 &&
	       !name[end];
}

static bool holds_path(const char *folder)
{
	char inside[PATH_MAX];
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool any = false;

	while (dir && !any && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "nvme", 4))
			continue;
		snprintf(inside, sizeof(inside), "%s/%s", folder, entry->d_name);
		any = is_path(entry->d_name) || holds_path(inside);
	}
	if (dir)
		closedir(dir);
	return any;
}

/* Drives that are asked about, and of them those that are below a multipath disk */
static unsigned int count_drives(const struct diagnosis *diagnosis, unsigned int *stacked)
{
	const struct machine *machine = diagnosis->view->machine;
	char folder[PATH_MAX], address[BDF_SIZE];
	struct pci_dev *pdev;
	unsigned int drives = 0;

	*stacked = 0;
	for (pdev = machine->pdev; pdev < machine->pdev + machine->num; pdev++) {
		if (!is_nvme(pdev) || (diagnosis->client && diagnosis->client != pdev))
			continue;
		drives++;
		if (!machine->sys)
			continue;
		snprintf(folder, sizeof(folder), "%s/bus/pci/devices/%s/nvme", machine->sys,
			 pdev_text(address, pdev));
		if (holds_path(folder))
			++*stacked;
	}
	return drives;
}

static void check_multipath(struct diagnosis *diagnosis)
{
	const struct machine *machine = diagnosis->view->machine;
	unsigned int drives, stacked;
	char *multipath;

	drives = count_drives(diagnosis, &stacked);
	if (!drives)
		return;
	multipath = line_of_sys(machine, "module/nvme_core/parameters/multipath");
	if (stacked && exists(machine->sys, "module/pci_p2pdma/parameters/host_bridges")) {
		found(diagnosis, HEALTH_OK, "multipath",
		      "%u of %u NVMe drives are below a multipath disk, which takes peer memory while all its paths do",
		      stacked, drives);
	} else if (stacked) {
		found(diagnosis, HEALTH_PROBLEM, "multipath",
		      "%u of %u NVMe drives are below a multipath disk, which takes no peer memory in this kernel",
		      stacked, drives);
		remedy(diagnosis, "nvme_core.multipath=N on the kernel's command line");
	} else if (multipath && (*multipath == 'Y' || *multipath == '1')) {
		found(diagnosis, HEALTH_OK, "multipath", "NVMe multipath is on, and of %u drives none is below a multipath disk",
		      drives);
	} else if (multipath ||
		   (machine->sys && exists(machine->sys, "module/nvme_core/parameters") &&
		    !exists(machine->sys, "module/nvme_core/parameters/multipath"))) {
		found(diagnosis, HEALTH_OK, "multipath", "NVMe multipath is off");
	} else {
		found(diagnosis, HEALTH_UNKNOWN, "multipath",
		      "whether NVMe multipath is on is not in the input");
		remedy(diagnosis, "there: cat /sys/module/nvme_core/parameters/multipath; ls -d /dev/nvme*c*n* finds disks with paths");
	}
	free(multipath);
}

/**
 * check_system - findings that are not about single devices
 * @diagnosis: they are added there
 */
void check_system(struct diagnosis *diagnosis)
{
	check_kernel(diagnosis);
	check_lockdown(diagnosis);
	check_encryption(diagnosis);
	check_guest(diagnosis);
	check_iommu(diagnosis);
	check_multipath(diagnosis);
}
