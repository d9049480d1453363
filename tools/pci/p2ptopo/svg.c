// SPDX-License-Identifier: GPL-2.0-only
/*
 * A picture as SVG: on the left the tree, a row for each function; on the right, for
 * each device, a coloured cell for each other one.  Of a single pair the way is thick.
 */
#include "draw.h"

#define ROW		26	/* height of a row, in pixels as all that follows */
#define BOX		20	/* of a box in it */
#define INDENT		24	/* from a function to what is below it */
#define LETTER		7	/* width of a letter */
#define MARGIN		16
#define CELL		26	/* width of a cell */
#define MANY		64	/* devices from which on cells have no letters */

/* Of a port what it is, of a device how it is called */
static void label_of(char *label, size_t size, const struct pci_dev *pdev)
{
	const char *name = pdev->function->name ?: "";
	char address[BDF_SIZE];

	snprintf(label, size, "%s %.56s", pdev_text(address, pdev),
		 pdev->subordinate || !*name ? type_text(pdev) : name);
}

static void box(struct drawing *drawing, unsigned int depth, const char *label,
		const char *fill, const char *stroke, unsigned int width)
{
	unsigned int x = MARGIN + depth * INDENT, wide = strlen(label) * LETTER + 16;

	printf("<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" rx=\"4\" fill=\"%s\" stroke=\"%s\" stroke-width=\"%u\"/>\n",
	       x, drawing->y, wide, BOX, fill, stroke, width);
	printf("<text x=\"%u\" y=\"%u\">", x + 8, drawing->y + 14);
	print_escaped(label);
	puts("</text>");
	if (x + wide > drawing->right)
		drawing->right = x + wide;
}

/* From the box of the function above, or of the root complex, down and to the right */
static void connect_rows(const struct drawing *drawing, unsigned int above, unsigned int depth,
			 const char *stroke, unsigned int width)
{
	unsigned int x = MARGIN + depth * INDENT - INDENT / 2;

	printf("<path d=\"M%u %uV%uH%u\" fill=\"none\" stroke=\"%s\" stroke-width=\"%u\"/>\n",
	       x, above + BOX, drawing->y + BOX / 2, x + INDENT / 2, stroke, width);
}

/* Colour of the single route of a picture; of the worse direction, if they differ */
static const char *route_color(const struct answer *route)
{
	static const unsigned int worst_first[] = {
		PCI_P2PDMA_MAP_NOT_SUPPORTED, PCI_P2PDMA_MAP_UNKNOWN,
		PCI_P2PDMA_MAP_THRU_HOST_BRIDGE, PCI_P2PDMA_MAP_BUS_ADDR,
	};
	unsigned int i = 0;

	while (i < ARRAY_SIZE(worst_first) - 1 &&
	       worst_first[i] != answer_map(route, P2PDMA_READ) &&
	       worst_first[i] != answer_map(route, P2PDMA_WRITE))
		i++;
	return map_colors[worst_first[i]];
}

static void svg_function(struct drawing *drawing, struct pci_dev *pdev, unsigned int depth)
{
	struct pci_dev *above = pdev->is_virtfn ? pdev->physfn : pci_upstream_bridge(pdev);
	bool on_route = is_on_route(drawing, pdev);
	bool both = on_route && (!above || is_on_route(drawing, above));
	const char *color = on_route ? route_color(drawing->route) : "#7a7a7a";
	const struct machine *machine = drawing->view->machine;
	unsigned int row = drawing->y;
	char label[160];

	label_of(label, sizeof(label), pdev);
	/* The root complex is the row before the first that has nothing above it. */
	connect_rows(drawing, drawing->row[above ? above->index : machine->num], depth,
		     both ? color : "#7a7a7a", both ? 3 : 1);
	box(drawing, depth, label, pdev->subordinate ? "#ffffff" : "#eef3f8",
	    color, on_route ? 3 : 1);
	drawing->row[pdev->index] = row;
	drawing->y += ROW;
}

/* ---- cells ---- */

static void half_cell(unsigned int x, unsigned int y, unsigned int map, bool lower)
{
	if (lower)
		printf("<path d=\"M%u %uV%uH%uZ\" fill=\"%s\"/>\n",
		       x + CELL - 2, y, y + BOX, x, map_colors[map]);
	else
		printf("<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\"/>\n",
		       x, y, CELL - 2, BOX, map_colors[map]);
}

static void cell(unsigned int x, unsigned int y, const struct answer *answer, bool letter)
{
	static const char letters[] = {
		[PCI_P2PDMA_MAP_UNKNOWN]		= '?',
		[PCI_P2PDMA_MAP_NOT_SUPPORTED]		= 'N',
		[PCI_P2PDMA_MAP_BUS_ADDR]		= 'B',
		[PCI_P2PDMA_MAP_THRU_HOST_BRIDGE]	= 'H',
	};
	unsigned int reads = answer_map(answer, P2PDMA_READ);
	unsigned int writes = answer_map(answer, P2PDMA_WRITE);
	char client[BDF_SIZE], provider[BDF_SIZE];

	if (answer->client == answer->provider)
		return;
	printf("<g><title>%s to %s: reads %s, writes %s</title>\n",
	       pdev_text(client, answer->client), pdev_text(provider, answer->provider),
	       map_names[reads], map_names[writes]);
	half_cell(x, y, reads, false);
	if (reads != writes)
		half_cell(x, y, writes, true);
	if (letter && reads == writes)
		printf("<text x=\"%u\" y=\"%u\" fill=\"#ffffff\">%c</text>\n",
		       x + CELL / 2 - 5, y + 14,
		       letters[reads]);
	puts("</g>");
}

static void svg_cells(const struct drawing *drawing, unsigned int left)
{
	const struct view *view = drawing->view;
	unsigned int i, j, y;

	for (i = 0; i < view->num; i++) {
		y = drawing->row[view->pdev[i]->index];
		printf("<text x=\"%u\" y=\"%u\">%u</text>\n", left, y + 14, i + 1);
		printf("<text x=\"%u\" y=\"%u\">%u</text>\n",
		       left + (i + 1) * CELL + 6, MARGIN + ROW + 14, i + 1);
		for (j = 0; j < view->num; j++)
			cell(left + (j + 1) * CELL, y, &view->answers[(size_t)i * view->num + j],
			     view->num < MANY);
	}
}

static void svg_legend(const struct drawing *drawing, unsigned int y)
{
	static const struct {
		unsigned int map;
		const char *text;
	} legend[] = {
		{ PCI_P2PDMA_MAP_BUS_ADDR, "B bus-addr: straight to the peer" },
		{ PCI_P2PDMA_MAP_THRU_HOST_BRIDGE, "H host-bridge: through the root complex" },
		{ PCI_P2PDMA_MAP_NOT_SUPPORTED, "N none" },
		{ PCI_P2PDMA_MAP_UNKNOWN, "? not known" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(legend); i++, y += ROW) {
		half_cell(MARGIN, y, legend[i].map, false);
		printf("<text x=\"%u\" y=\"%u\">%s</text>\n",
		       MARGIN + CELL + 8, y + 14, legend[i].text);
	}
	printf("<text x=\"%u\" y=\"%u\">%s</text>\n", MARGIN, y + 14, drawing->route ?
	       "of a route that differs by direction: the worse of reads and writes" :
	       "rows: clients; columns: providers; a cell in two halves: reads above, writes below");
}

static unsigned int count_rows(const struct drawing *drawing)
{
	unsigned int rows = drawing->num_roots, i;

	for (i = 0; i < drawing->view->machine->num; i++)
		rows += drawing->shown[i];
	return rows;
}

/* The tree decides how wide a picture is, which has to be said before it. */
static unsigned int width_of(const struct drawing *drawing)
{
	struct pci_dev *path[1];
	unsigned int widest = 80, i, depth, len;
	char label[160];

	for (i = 0; i < drawing->view->machine->num; i++) {
		if (!drawing->shown[i])
			continue;
		depth = climb_path(&drawing->view->machine->pdev[i], path, 1) + 1;
		label_of(label, sizeof(label), &drawing->view->machine->pdev[i]);
		len = depth * INDENT / LETTER + strlen(label) + 4;
		widest = max(widest, len);
	}
	return widest * LETTER + 2 * MARGIN;
}

/**
 * draw_svg - a picture
 * @view: the machine, and the devices if there is no @route
 * @route: one pair alone, or NULL
 */
void draw_svg(const struct view *view, const struct answer *route)
{
	unsigned int rows, left, i;
	struct drawing drawing;
	char text[128];

	drawing_begin(&drawing, view, route);
	rows = count_rows(&drawing);
	left = width_of(&drawing);
	printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" font-family=\"monospace\" font-size=\"11\">\n",
	       left + (route ? 0 : (view->num + 2) * CELL), MARGIN + (rows + 7) * ROW);
	puts("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>");
	printf("<text x=\"%u\" y=\"%u\" font-weight=\"bold\">", MARGIN, MARGIN + 14);
	print_escaped(view->source);
	puts("</text>");
	drawing.y = MARGIN + ROW;
	for (i = 0; i < drawing.num_roots; i++) {
		drawing.row[view->machine->num] = drawing.y;
		root_text(text, sizeof(text), drawing.roots[i]);
		box(&drawing, 0, text, "#f4efe2", "#7a7a7a", 1);
		drawing.y += ROW;
		draw_bus(&drawing, drawing.roots[i], 1, svg_function);
	}
	if (!route)
		svg_cells(&drawing, left);
	svg_legend(&drawing, drawing.y + ROW / 2);
	puts("</svg>");
	drawing_end(&drawing);
}
