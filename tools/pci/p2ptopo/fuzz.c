// SPDX-License-Identifier: GPL-2.0-only
/*
 * For libFuzzer: whatever the input is, reading it and answering from it neither
 * crashes nor hangs.  "make p2ptopo-fuzz" says how to build it; tests/lspci.py has
 * written a corpus, tests/corpus/p2ptopo:
 *
 *	p2ptopo-fuzz -close_fd_mask=3 -max_len=20000 FOR-WHAT-IS-FOUND tests/corpus/p2ptopo
 */
#include "doctor.h"
#include "draw.h"

#define PAIRS_OF	6	/* all pairs of so many functions are asked about */

static void ask(struct machine *machine)
{
	struct view view = { .machine = machine, .source = "fuzz" };
	unsigned int num = min(machine->num, PAIRS_OF), i;
	struct pci_dev *pdev[PAIRS_OF];
	struct answer answers[PAIRS_OF * PAIRS_OF] = {};

	for (i = 0; i < num; i++)
		pdev[i] = &machine->pdev[machine->num - 1 - i];
	for (i = 0; i < num * num; i++) {
		answers[i].client = pdev[i / num];
		answers[i].provider = pdev[i % num];
	}
	answer_all(machine, answers, num * num);
	view.pdev = pdev;
	view.num = num;
	view.answers = answers;
	show_matrix(&view);
	json_matrix(&view);
	show_explanation(&view, &answers[num - 1]);
	json_explanation(&view, &answers[num - 1]);
	doctor(&view, NULL, NULL, false);
	doctor(&view, pdev[0], pdev[num - 1], true);
	draw_svg(&view, NULL);
	draw_svg(&view, &answers[num - 1]);
	draw_dot(&view, NULL);
	write_nccl(&view);
}

int fuzz_one(const u8 *data, size_t size)
{
	struct machine machine = {};
	FILE *stream;

	if (!size)
		return 0;
	stream = fmemopen((void *)data, size, "r");
	if (!stream)
		return 0;
	if (dump_stream(&machine, stream, "fuzz", data[size - 1] % 3)) {
		machine_build(&machine);
		ask(&machine);
	}
	fclose(stream);
	machine_free(&machine);
	return 0;
}
