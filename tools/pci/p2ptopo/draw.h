/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pictures: the tree of what is above the devices of a view, and their routes.
 */
#ifndef _P2PTOPO_DRAW_H
#define _P2PTOPO_DRAW_H

#include "show.h"

struct drawing;

/* Called for each function that is drawn, from the root down */
typedef void (*draw_fn)(struct drawing *drawing, struct pci_dev *pdev, unsigned int depth);

/**
 * struct drawing - a picture while it is made
 * @view: what of
 * @route: of this pair alone; NULL for all pairs of the view
 * @shown: for each function, whether it is drawn
 * @roots: the root buses of those
 * @num_roots: their number
 * @y: the next row
 * @right: where the last box ends that reaches furthest
 * @row: for each function, the row that it is in
 */
struct drawing {
	const struct view *view;
	const struct answer *route;
	bool *shown;
	struct pci_bus **roots;
	unsigned int num_roots;
	unsigned int y, right;
	unsigned int *row;
};

void drawing_begin(struct drawing *drawing, const struct view *view,
		   const struct answer *route);
void drawing_end(struct drawing *drawing);
void draw_bus(struct drawing *drawing, struct pci_bus *bus, unsigned int depth, draw_fn draw);
bool is_on_route(const struct drawing *drawing, struct pci_dev *pdev);
void root_text(char *text, size_t size, struct pci_bus *bus);
void print_escaped(const char *text);

extern const char * const map_colors[];

void draw_dot(const struct view *view, const struct answer *route);
void draw_svg(const struct view *view, const struct answer *route);
void write_nccl(const struct view *view);

#endif /* _P2PTOPO_DRAW_H */
