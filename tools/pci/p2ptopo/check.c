// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2ptopo-check FILE...: random fabrics of the kernel's KUnit suites, which have
 * written what lspci would print and "# pair CLIENT PROVIDER READ WRITE DISTANCE
 * REASON [PORT]" for some pairs.  The tool has to say the same, and for certain if it can be.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "show.h"

static unsigned int wrong, pairs;

/* What the kernel's code says here, in the words that the file has */
static void say(char *line, size_t size, const struct answer *answer)
{
	const struct p2pdma_verdict *verdict = &answer->verdict[CPU_OTHER];
	char port[BDF_SIZE];

	snprintf(line, size, "%u %u %u %s%s%s", verdict->map[P2PDMA_READ],
		 verdict->map[P2PDMA_WRITE], verdict->distance,
		 p2pdma_reason_names[verdict->reason], verdict->has_port ? " " : "",
		 verdict->has_port ? port_text(port, verdict) : "");
}

static void complain(const char *file, const char *said, const char *here)
{
	if (wrong++ < 5)
		printf("%s: the kernel says %s, p2ptopo %s\n", file, said, here);
}

static struct pci_dev *end_of(const struct machine *machine, const char *text)
{
	u32 domain;
	u16 bdf;

	return parse_bdf(text, &domain, &bdf) ? machine_find(machine, domain, bdf) : NULL;
}

/*
 * Where ports share a number the kernel is cautious, and the tool says that it cannot
 * be known; nothing else is left open.
 */
static bool is_certain(const struct answer *answer)
{
	unsigned int i;

	for (i = 0; i < min(answer->num_asked, ASKED); i++)
		if (answer->asked[i].what != UNREAD_SHARED)
			return false;
	return answer->num_asked ||
	       (answer_certainty(answer) == CERTAIN && !answer->vague);
}

static void check_pair(const struct machine *machine, const char *file, char *line)
{
	char client[BDF_SIZE], provider[BDF_SIZE], here[128];
	struct answer answer = {};
	int rest = 0;

	if (sscanf(line, "# pair %23s %23s %n", client, provider, &rest) != 2 || !rest)
		return;
	pairs++;
	line[strcspn(line, "\n")] = '\0';
	answer.client = end_of(machine, client);
	answer.provider = end_of(machine, provider);
	if (!answer.client || !answer.provider) {
		complain(file, line, "that there is no such function");
		return;
	}
	answer_all(machine, &answer, 1);
	say(here, sizeof(here), &answer);
	if (strcmp(line + rest, here))
		complain(file, line, here);
	else if (!is_certain(&answer))
		complain(file, line, "that it is not certain");
}

/* The CPU is one that routes nothing by itself, as in the machine of the suites. */
static bool check_file(const char *file)
{
	struct machine machine = { .cpu_known = true };
	FILE *stream = fopen(file, "r");
	size_t room = 0;
	char *line = NULL;

	if (!stream || !dump_read(&machine, file, 0))
		return false;
	machine_build(&machine);
	while (getline(&line, &room, stream) >= 0)
		check_pair(&machine, file, line);
	fclose(stream);
	return pairs && !wrong;
}

/* hostbridge.c remembers what it has seen, hence a process for each file. */
int main(int argc, char **argv)
{
	unsigned int bad = 0;
	int i, status;

	for (i = 1; i < argc; i++) {
		fflush(stdout);
		if (!fork())
			exit(!check_file(argv[i]));
		if (wait(&status) < 0 || status)
			bad++;
	}
	printf("%d files, %u of them bad\n", argc - 1, bad);
	return argc < 2 || bad;
}
