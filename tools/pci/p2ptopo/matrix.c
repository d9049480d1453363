// SPDX-License-Identifier: GPL-2.0-only
/*
 * The matrix: who reaches whom, one line for each client.
 */
#include "show.h"

#define CELL		16

static char map_letter(unsigned int map)
{
	static const char letters[] = {
		[PCI_P2PDMA_MAP_UNKNOWN]		= '?',
		[PCI_P2PDMA_MAP_NOT_SUPPORTED]		= 'N',
		[PCI_P2PDMA_MAP_BUS_ADDR]		= 'B',
		[PCI_P2PDMA_MAP_THRU_HOST_BRIDGE]	= 'H',
	};

	return letters[map];
}

/* Of what is not in the input, what weighs most: bits of shim/pci.h */
static const char *open_code(const struct answer *answer)
{
	unsigned int what = 0, i;

	for (i = 0; i < min(answer->num_asked, ASKED); i++)
		what |= answer->asked[i].what;
	if (what & (UNREAD_PLACE | UNREAD_NUMBERS))
		return "path";
	return what & (UNREAD_IDS | UNREAD_TOP) ? "id" : "acs";
}

/* Reads, writes if they differ, distance, reason: "B4.ss", "N/H8.rw", "?.acs" */
static void write_cell(char *cell, const struct answer *answer)
{
	const struct p2pdma_verdict *verdict = &answer->verdict[CPU_OTHER];
	unsigned int reads = answer_map(answer, P2PDMA_READ);
	unsigned int writes = answer_map(answer, P2PDMA_WRITE);
	int len = 0;

	if (answer->client == answer->provider) {
		snprintf(cell, CELL, "-");
		return;
	}
	len += snprintf(cell + len, CELL - len, "%c", map_letter(reads));
	if (reads != writes)
		len += snprintf(cell + len, CELL - len, "/%c", map_letter(writes));
	switch (answer_certainty(answer)) {
	case UNKNOWN:
		snprintf(cell + len, CELL - len, ".%s", open_code(answer));
		break;
	case IF_CPU:
		snprintf(cell + len, CELL - len, "%u.cpu", verdict->distance);
		break;
	case CERTAIN:
		if (answer->vague)
			snprintf(cell + len, CELL - len, ".%s", open_code(answer));
		else
			snprintf(cell + len, CELL - len, "%u.%s", verdict->distance,
				 reason_code(verdict));
		break;
	}
}

static const struct {
	const char *code, *meaning;
} legend[] = {
	{ "B", "bus-addr: straight to the peer, by its bus address" },
	{ "H", "host-bridge: by way of the root complex, which is known to route it" },
	{ "N", "none: does not get there" },
	{ "?", "not known: see behind the dot" },
	{ ".sd", "two functions of one device" },
	{ ".sb", "one conventional bus" },
	{ ".ss", "a switch turns it round" },
	{ ".rc", "the root complex joins the two" },
	{ ".ar", "ACS redirects it to the root complex" },
	{ ".ab", "ACS drops it, or leaves open what becomes of it" },
	{ ".ru", "the root complex is not known to route" },
	{ ".rd", "the root complex routes, but not between these two" },
	{ ".fa", "functions not known to reach each other inside their device" },
	{ ".rr", "the root complex routes reads only" },
	{ ".rw", "the root complex routes writes only" },
	{ ".rf", "the root complex is said not to route" },
	{ ".cpu", "H if the CPU is AMD Zen or later, else N: say which with --cpu" },
	{ ".acs", "config space that decides it is not in the input: read it as root" },
	{ ".path", "a bridge above it is not in the input, or bus numbers contradict each other" },
	{ ".id",
	  "which host bridge it is, is not in the input: lspci -nn, --host-bridge; see explain" },
};

/* A letter is looked for before the dot, a code as all that is behind it. */
static bool is_used(const char *code, char (*cells)[CELL], size_t num)
{
	const char *dot;
	size_t i;

	for (i = 0; i < num; i++) {
		dot = strchr(cells[i], '.');
		if (!dot)
			continue;
		if (*code == '.' ? !strcmp(dot, code) :
		    !!memchr(cells[i], *code, dot - cells[i]))
			return true;
	}
	return false;
}

static void show_legend(const struct view *view, char (*cells)[CELL], size_t num)
{
	unsigned int i;

	puts("\nrows: clients, which do DMA; columns: providers, whose memory it is; reads/writes, where they differ;");
	puts("then the distance in links, and behind the dot the reason");
	for (i = 0; i < ARRAY_SIZE(legend); i++)
		if (is_used(legend[i].code, cells, num))
			printf("  %-6s %s\n", legend[i].code, legend[i].meaning);
	if (view->machine->cpu_open && is_used(".id", cells, num))
		printf("  %-6s or, if the CPU is AMD Zen or later, say --cpu amd:0x19\n", "");
}

/* Has the root complex a say in any of the answers? */
static bool any_by_root(const struct view *view)
{
	size_t i;

	for (i = 0; i < (size_t)view->num * view->num; i++)
		if (answer_by_root(&view->answers[i]))
			return true;
	return false;
}

static const char *short_name(const struct pci_dev *pdev)
{
	return pdev->function->name ?: "";
}

static unsigned int widest(char (*cells)[CELL], size_t num)
{
	size_t width = 4, i;

	for (i = 0; i < num; i++)
		if (strlen(cells[i]) > width)
			width = strlen(cells[i]);
	return width;
}

/* What a reader has to know before he believes the rest */
static void show_unread(const struct view *view)
{
	unsigned int unread = 0, unnamed = 0, i;
	const char *partial = NULL;

	for (i = 0; i < view->machine->num; i++) {
		partial = partial ?: view->machine->function[i].partial;
		unnamed += !view->machine->function[i].has_class;
		if (view->machine->pdev[i].unread &
		    (UNREAD_TYPE | UNREAD_ACS | UNREAD_ACS_CTRL))
			unread++;
	}
	if (unnamed)
		printf("%u of %u functions: their class is not known: --all has them\n", unnamed,
		       view->machine->num);
	if (unread)
		printf("%u of %u functions: config space is not in the input, but for its beginning%s\n",
		       unread, view->machine->num,
		       view->here ? " (run as root)" : "");
	if (partial)
		printf("%s, and so is not read\n", partial);
}

/* Is any function below it among those that are shown? */
bool view_has(const struct view *view, const struct stack *stack)
{
	unsigned int i;

	for (i = 0; i < view->num; i++)
		if (stack_has(stack, view->pdev[i]))
			return true;
	return false;
}

/**
 * show_stack - print a block device, and what is below it
 * @stack: which
 */
void show_stack(const struct stack *stack)
{
	char address[BDF_SIZE];
	unsigned int i;

	printf("%s (%s)", stack->name, stack->kind);
	if (stack->below)
		printf(", of %s", stack->below);
	putchar(':');
	for (i = 0; i < stack->num; i++)
		printf(" %s", pdev_text(address, stack->pdev[i]));
	puts(stack->elsewhere ? " and what is no PCI function" : "");
}

static void show_stacks(const struct view *view)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < view->num_stacks; i++) {
		if (!view_has(view, &view->stacks[i]))
			continue;
		if (!any)
			puts("\nblock devices that are made of others, and their clients:");
		any = true;
		fputs("  ", stdout);
		show_stack(&view->stacks[i]);
	}
}

static void show_comparison(const struct comparison *kernel)
{
	if (!kernel || !kernel->asked)
		return;
	if (!kernel->differ && kernel->asked == kernel->pairs)
		printf("\nthe kernel says the same of all %u pairs\n", kernel->asked);
	else if (!kernel->differ)
		printf("\nthe kernel says the same of %u pairs, and was not asked about %u\n",
		       kernel->asked, kernel->pairs - kernel->asked);
	else
		printf("\nTHE KERNEL DIFFERS on %u of %u pairs, a fault of p2ptopo or of the kernel; please report it. It says:\n%s\n",
		       kernel->differ, kernel->asked, kernel->first);
}

/**
 * show_matrix - print who reaches whom
 * @view: devices and answers
 */
void show_matrix(const struct view *view)
{
	size_t num = (size_t)view->num * view->num, i, j;
	char (*cells)[CELL] = must(calloc(num + 1, CELL));
	char address[BDF_SIZE], column[CELL];
	size_t addresses = 0;
	unsigned int width;

	for (i = 0; i < num; i++)
		write_cell(cells[i], &view->answers[i]);
	width = widest(cells, num);
	printf("%s\n", view->source);
	show_unread(view);
	show_notes(view, any_by_root(view));
	for (i = 0; i < view->num; i++)
		addresses = max(addresses, strlen(pdev_text(address, view->pdev[i])));
	printf("%-*s", 6 + (int)addresses, "");
	for (j = 0; j < view->num; j++) {
		snprintf(column, sizeof(column), "[%zu]", j + 1);
		printf(" %-*s", width, column);
	}
	putchar('\n');
	for (i = 0; i < view->num; i++) {
		snprintf(column, sizeof(column), "[%zu]", i + 1);
		printf("%-5s %-*s", column, (int)addresses, pdev_text(address, view->pdev[i]));
		for (j = 0; j < view->num; j++)
			printf(" %-*s", width, cells[i * view->num + j]);
		printf("  %s\n", short_name(view->pdev[i]));
	}
	show_legend(view, cells, num);
	show_stacks(view);
	show_comparison(view->kernel);
	free(cells);
}
