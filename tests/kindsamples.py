# SPDX-License-Identifier: GPL-2.0-only
"""A sample for each kind of rule: (kind, pattern, text before, text after or None)."""

from p2plib.base import kinds

KINDS = (
    (
        kinds.drop_if,
        "x",
        "f()\n{\n\ta;\n\n\t/* why */\n\tif (x) {\n\t\tb;\n\t}\n\n\tc;\n}\n",
        "f()\n{\n\ta;\n\n\tc;\n}\n",
    ),
    (kinds.drop_if, "x", "\tif (x)\n\t\ta;\n\telse\n\t\tb;\n", "\tb;\n"),
    (kinds.drop_if, "x", "\tif (x) {\n\t\ta;\n\t} else {\n\t\tb;\n\t\tc;\n\t}\n", "\tb;\n\tc;\n"),
    (kinds.drop_if, "x", "\tif (y) {\n\t\tif (x)\n\t\t\ta;\n\t\tb;\n\t}\n", "\tif (y)\n\t\tb;\n"),
    (
        kinds.drop_if,
        "x",
        "\tif (y) {\n\t\tif (x)\n\t\t\ta;\n\t\tb;\n\t\tc;\n\t}\n",
        "\tif (y) {\n\t\tb;\n\t\tc;\n\t}\n",
    ),
    (kinds.unwrap_if, "x", '\tif (x) {\n\t\ta("}");\n\t}\n', '\ta("}");\n'),
    (
        kinds.drop_case,
        "X",
        "\tcase W:\n\t\ta;\n\tcase X:\n\t\tb;\n\t\tbreak;\n\tdefault:\n",
        "\tcase W:\n\t\ta;\n\tdefault:\n",
    ),
    (kinds.drop_operand, "X", "if (a && X)\n", "if (a)\n"),
    (kinds.drop_operand, "X", "f(A | X | XY)\n", "f(A | XY)\n"),
    (kinds.drop_argument, "&x", "f(a,\n  &x);\n", "f(a);\n"),
    (kinds.drop_function, "f", "/* f */\nstatic int\nf(int a)\n{\n}\nEXPORT_SYMBOL_GPL(f);\n\nint g;\n", "int g;\n"),
    (kinds.drop_function, "f", "int g(void)\n{\n\tf(1);\n}\n", None),
    (kinds.drop_prototype, "f", "int g(void);\nint f(int a,\n      int b);\n", "int g(void);\n"),
    (kinds.drop_local, "p", "\tstruct s *p = f(a,\n\t\t\tb);\n\tint q;\n", "\tint q;\n"),
    (kinds.drop_ifdef, "X", "a\n#ifdef X\n#ifdef Y\n#endif\nb\n#else\nc\n#endif\nd\n", "a\nd\n"),
    (kinds.drop_statement, "for_each", "\ta;\n\tfor_each(i)\n\t\tb;\n\tc;\n", "\ta;\n\tc;\n"),
    (kinds.drop_checked_call, "f", "\tret = f(x);\n\tif (ret)\n\t\tgoto out;\n\ta;\n", "\ta;\n"),
    (kinds.drop_comment_paragraph, "X", "/*\n * a\n *\n * X b\n * c\n */\n", "/*\n * a\n */\n"),
    (kinds.drop_paragraph, "^X", "A\nb\n\nX\nc\n\nD\n", "A\nb\n\nD\n"),
    (
        kinds.drop_kconfig,
        "X",
        "config W\n\tbool\n\nconfig X\n\tbool\n\n\thelp\n\nconfig Y\n",
        "config W\n\tbool\n\nconfig Y\n",
    ),
    (kinds.drop_enumerator, "X", "\tA,\n\t/* x */\n\tX = 1,\n\tXY,\n", "\tA,\n\tXY,\n"),
)
