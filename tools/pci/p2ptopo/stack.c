// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block devices and what they are made of, from sysfs: arrays of md, device-mapper,
 * multipath disks of NVMe.
 *
 * Whoever asks whether an array reaches some memory asks that of each function below
 * it: a write that is mirrored has to reach it by all of them.
 */
#include <dirent.h>
#include <limits.h>
#include <unistd.h>

#include "stack.h"

#define DEEPEST		16	/* layers; more are a circle */

static bool is_there(const struct machine *machine, const char *name, const char *file)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/class/block/%s/%s", machine->sys, name, file);
	return !access(path, F_OK);
}

/* Where its folder is, below /sys/devices; false if there is no such device */
static bool read_folder(const struct machine *machine, const char *name, char *folder, size_t size)
{
	char path[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/class/block/%s", machine->sys, name);
	len = readlink(path, folder, size - 1);
	folder[len < 0 ? 0 : len] = '\0';
	return len > 0;
}

/* The last part of a path that is an address is the function */
static struct pci_dev *function_in(const struct machine *machine, char *folder)
{
	struct pci_dev *pdev = NULL;
	char *part, *rest = NULL;
	u32 domain;
	u16 bdf;

	for (part = strtok_r(folder, "/", &rest); part; part = strtok_r(NULL, "/", &rest))
		if (strlen(part) >= strlen("0000:00:00.0") && parse_bdf(part, &domain, &bdf))
			pdev = machine_find(machine, domain, bdf);
	return pdev;
}

static void add_function(struct stack *stack, struct pci_dev *pdev)
{
	unsigned int at = stack->num;

	if (!pdev) {
		stack->elsewhere = true;
		return;
	}
	if (stack_has(stack, pdev))
		return;
	stack->pdev = must(realloc(stack->pdev, (stack->num + 1) * sizeof(*stack->pdev)));
	stack->num++;
	/* In the order of their addresses, as the machine has them */
	for (; at && stack->pdev[at - 1] > pdev; at--)
		stack->pdev[at] = stack->pdev[at - 1];
	stack->pdev[at] = pdev;
}

static void add_name(struct stack *stack, const char *name)
{
	size_t had = stack->below ? strlen(stack->below) : 0;

	stack->below = must(realloc(stack->below, had + strlen(name) + 2));
	sprintf(stack->below + had, "%s%s", had ? " " : "", name);
}

static int is_name(const struct dirent *entry)
{
	return *entry->d_name != '.' && strlen(entry->d_name) < BLOCK_NAME;
}

/* Names in a folder below /sys/class, in order; -1 if there is no such folder */
static int list_class(const struct machine *machine, const char *folder, struct dirent ***list)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/class/%s", machine->sys, folder);
	return scandir(path, list, is_name, alphasort);
}

static void free_list(struct dirent **list, int num)
{
	while (num > 0)
		free(list[--num]);
	free(list);
}

static void walk(const struct machine *machine, struct stack *stack, const char *name,
		 unsigned int depth);

/* nvme0n1 of a subsystem: nvme0c1n1, ... of its controllers, which are on functions */
static void walk_paths(const struct machine *machine, struct stack *stack, const char *subsystem,
		       const char *name, unsigned int depth)
{
	char folder[BLOCK_NAME * 2], path[BLOCK_NAME], target[PATH_MAX], link[PATH_MAX];
	unsigned int instance, namespace, controller;
	struct dirent **list = NULL;
	int num, i, end;
	ssize_t len;

	if (sscanf(name, "nvme%un%u", &instance, &namespace) != 2)
		return;
	snprintf(folder, sizeof(folder), "nvme-subsystem/%.*s", BLOCK_NAME, subsystem);
	num = list_class(machine, folder, &list);
	for (i = 0; i < num; i++) {
		end = 0;
		if (sscanf(list[i]->d_name, "nvme%u%n", &controller, &end) != 1 ||
		    list[i]->d_name[end])
			continue;
		snprintf(path, sizeof(path), "nvme%uc%un%u", instance, controller, namespace);
		snprintf(link, sizeof(link), "%s/class/%s/%s/%s", machine->sys, folder,
			 list[i]->d_name, path);
		if (access(link, F_OK))
			continue;
		link[strlen(link) - strlen(path) - 1] = '\0';
		len = readlink(link, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		add_function(stack, function_in(machine, target));
		if (!depth)
			add_name(stack, path);
	}
	free_list(list, num);
}

/* A partition is on the disk that its folder is in. */
static void walk_disk(const struct machine *machine, struct stack *stack, const char *name,
		      unsigned int depth)
{
	char folder[PATH_MAX], *subsystem, *slash;

	if (!read_folder(machine, name, folder, sizeof(folder))) {
		stack->elsewhere = true;
		return;
	}
	slash = strrchr(folder, '/');
	if (slash && is_there(machine, name, "partition")) {
		*slash = '\0';
		slash = strrchr(folder, '/');
		walk(machine, stack, slash ? slash + 1 : folder, depth + 1);
		return;
	}
	subsystem = strstr(folder, "/nvme-subsystem/");
	if (subsystem && slash) {
		*slash = '\0';
		slash = strrchr(folder, '/');
		walk_paths(machine, stack, slash + 1, name, depth);
		return;
	}
	add_function(stack, function_in(machine, folder));
}

static void walk(const struct machine *machine, struct stack *stack, const char *name,
		 unsigned int depth)
{
	struct dirent **list = NULL;
	char folder[BLOCK_NAME + 16];
	int num, i;

	if (depth > DEEPEST) {
		stack->elsewhere = true;
		return;
	}
	snprintf(folder, sizeof(folder), "block/%.*s/slaves", BLOCK_NAME, name);
	num = list_class(machine, folder, &list);
	for (i = 0; i < num; i++) {
		if (!depth)
			add_name(stack, list[i]->d_name);
		walk(machine, stack, list[i]->d_name, depth + 1);
	}
	if (num <= 0)
		walk_disk(machine, stack, name, depth);
	free_list(list, num);
}

static char *read_kind(const struct machine *machine, const struct stack *stack)
{
	char *kind;

	kind = read_line_of("%s/class/block/%s/md/level", machine->sys, stack->name) ?:
	       read_line_of("%s/class/block/%s/dm/name", machine->sys, stack->name);
	if (kind)
		return kind;
	if (is_there(machine, stack->name, "partition"))
		return must(strdup("partition"));
	return must(strdup(!stack->below ? "disk" :
			   strncmp(stack->name, "nvme", 4) ? "stacked" : "multipath"));
}

static void read_stack(const struct machine *machine, const char *name, struct stack *stack)
{
	*stack = (struct stack){};
	snprintf(stack->name, sizeof(stack->name), "%s", name);
	walk(machine, stack, name, 0);
	stack->kind = read_kind(machine, stack);
}

/* The device of device-mapper that is called so: "vg-lv" */
static bool find_mapped(const struct machine *machine, const char *text, char *name)
{
	struct dirent **list = NULL;
	bool found = false;
	char *called;
	int num, i;

	num = list_class(machine, "block", &list);
	for (i = 0; i < num && !found; i++) {
		called = read_line_of("%s/class/block/%s/dm/name", machine->sys, list[i]->d_name);
		found = called && !strcmp(called, text);
		free(called);
		if (found)
			snprintf(name, BLOCK_NAME, "%.*s", BLOCK_NAME - 1,
				 list[i]->d_name);
	}
	free_list(list, num);
	return found;
}

/**
 * stack_find - a block device by its name
 * @machine: of this machine
 * @text: "md0", "/dev/md0", what a link below /dev leads to, or what device-mapper
 *	calls it
 * @stack: what it is made of, to be freed with stack_free()
 *
 * Return: false if there is none, or if the input does not have such things.
 */
bool stack_find(const struct machine *machine, const char *text, struct stack *stack)
{
	char path[PATH_MAX], name[BLOCK_NAME];
	const char *last;

	if (!machine->sys)
		return false;
	/* Links are those of this machine, if it is about this one */
	if (*text == '/' && machine->live && realpath(text, path))
		text = path;
	last = strrchr(text, '/');
	last = last ? last + 1 : text;
	if (!*last || *last == '.' || strlen(last) >= sizeof(name))
		return false;
	memcpy(name, last, strlen(last) + 1);
	if (!is_there(machine, name, ".") && !find_mapped(machine, last, name))
		return false;
	read_stack(machine, name, stack);
	return true;
}

/**
 * stack_all - all block devices that are made of others
 * @machine: of this machine
 * @stacks: they go there; each is to be freed, and the list
 *
 * Return: their number.
 */
unsigned int stack_all(const struct machine *machine, struct stack **stacks)
{
	struct dirent **list = NULL;
	unsigned int found = 0;
	int num, i;

	*stacks = NULL;
	if (!machine->sys)
		return 0;
	num = list_class(machine, "block", &list);
	*stacks = num > 0 ? must(calloc(num, sizeof(**stacks))) : NULL;
	for (i = 0; i < num; i++) {
		read_stack(machine, list[i]->d_name, &(*stacks)[found]);
		if ((*stacks)[found].below)
			found++;
		else
			stack_free(&(*stacks)[found]);
	}
	free_list(list, num);
	return found;
}

void stack_free(struct stack *stack)
{
	free(stack->kind);
	free(stack->below);
	free(stack->pdev);
}

bool stack_has(const struct stack *stack, const struct pci_dev *pdev)
{
	unsigned int i;

	for (i = 0; i < stack->num; i++)
		if (stack->pdev[i] == pdev)
			return true;
	return false;
}
