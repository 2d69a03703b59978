"""A terminal's cells, as `tmux capture-pane -p -e` prints them, as an SVG picture."""

import re
import unicodedata
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby

CELL_WIDTH, CELL_HEIGHT = 8.4, 18
FONT_SIZE = 14
FONTS = "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
MARGIN, BAR = 14, 34
FOREGROUND, BACKGROUND = "#d6dae2", "#171b22"
FRAME, TITLE = "#2b313c", "#8b93a3"
LIGHTS = ("#e0655c", "#d9a84a", "#67ab5b")
# black, red, green, yellow, blue, magenta, cyan, white; then the bright ones
PALETTE = (
    "#2b313c #e0655c #7fbf6f #d9b05c #6ea4e8 #c58ad9 #5fb8b8 #c3c9d4 "
    "#697282 #f08378 #98d487 #ecc878 #8dbcf5 #d8a5ea #7fd0cf #f2f4f8"
).split()
LEVELS = (0, 95, 135, 175, 215, 255)

SEQUENCE = re.compile(r"\x1b\[([0-9;:]*)m|\x1b[()*+].|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x0e\x0f]")
# Which of a cell's four sides a line goes to: left, right, up, down.
LINES = {
    "─": "lr", "━": "lr", "│": "ud", "┃": "ud", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "rud", "┤": "lud",
    "┬": "lrd", "┴": "lru", "┼": "lrud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu",
}  # fmt: skip
ROUND = "╭╮╰╯"
BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Style:
    fore: str | None = None
    back: str | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False

    def colours(self):
        """Of the text, and of what is behind it."""
        fore, back = self.fore or FOREGROUND, self.back or BACKGROUND
        return (back, fore) if self.reverse else (fore, back)


def indexed(number):
    if number < 16:
        return PALETTE[number]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    number -= 16
    return "#{:02x}{:02x}{:02x}".format(*(LEVELS[number // step % 6] for step in (36, 6, 1)))


FLAGS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse"}
ENDS = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",)}


def styled(style, parameters):
    """The style after `ESC [ parameters m`."""
    numbers = [int(word or 0) for word in re.split("[;:]", parameters)]
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            style = Style()
        elif number in FLAGS:
            style = replace(style, **{FLAGS[number]: True})
        elif number in ENDS:
            style = replace(style, **dict.fromkeys(ENDS[number], False))
        elif number in (38, 48):
            which = "fore" if number == 38 else "back"
            if numbers.pop(0) == 5:
                colour = indexed(numbers.pop(0))
            else:
                colour = "#{:02x}{:02x}{:02x}".format(*numbers[:3])
                del numbers[:3]
            style = replace(style, **{which: colour})
        elif number in (39, 49):
            style = replace(style, **{"fore" if number == 39 else "back": None})
        else:
            for first, which, bright in ((30, "fore", 0), (40, "back", 0), (90, "fore", 8), (100, "back", 8)):
                if first <= number < first + 8:
                    style = replace(style, **{which: PALETTE[number - first + bright]})
    return style


def cells(line, style):
    """(column, character with what combines with it, width, style) of each, and the style that goes on."""
    found, column, at = [], 0, 0
    while at < len(line):
        sequence = SEQUENCE.match(line, at)
        if sequence:
            if sequence[1] is not None:
                style = styled(style, sequence[1])
            at = sequence.end()
            continue
        character = line[at]
        at += 1
        if unicodedata.combining(character) and found:
            place, base, width, of = found[-1]
            found[-1] = (place, base + character, width, of)
            continue
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        found.append((column, character, width, style))
        column += width
    return found, style


def number(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


def drawn(character, column, row, colour):
    """Lines and bars, which fonts do not join; `None` for what is text."""
    left, top = MARGIN + column * CELL_WIDTH, BAR + row * CELL_HEIGHT
    if character in LINES:
        middle, centre = left + CELL_WIDTH / 2, top + CELL_HEIGHT / 2
        ends = {
            "l": (left, centre), "r": (left + CELL_WIDTH, centre), "u": (middle, top), "d": (middle, top + CELL_HEIGHT),
        }  # fmt: skip
        points = [f"{number(x)} {number(y)}" for x, y in (ends[side] for side in LINES[character])]
        if character in ROUND:
            path = f"M{points[0]}Q{number(middle)} {number(centre)} {points[1]}"
        else:
            path = "".join(f"M{number(middle)} {number(centre)}L{point}" for point in points)
        return f'<path d="{path}" stroke="{colour}" fill="none"/>'
    if character in BARS:
        height = CELL_HEIGHT * (BARS.index(character) + 1) / 8
        return rectangle(left, top + CELL_HEIGHT - height, CELL_WIDTH, height, colour)
    return None


def rectangle(left, top, width, height, colour):
    return (
        f'<rect x="{number(left)}" y="{number(top)}" width="{number(width)}" height="{number(height)}" fill="{colour}"/>'
    )


def text(words, column, width, row, style):
    """A piece of text, held to its cells whatever font is there."""
    colour = style.colours()[0]
    more = ' font-weight="bold"' if style.bold else ""
    more += ' font-style="italic"' if style.italic else ""
    more += ' text-decoration="underline"' if style.underline else ""
    more += ' opacity=".6"' if style.dim else ""
    left, base = MARGIN + column * CELL_WIDTH, BAR + row * CELL_HEIGHT + CELL_HEIGHT * 0.74
    return (
        f'<text x="{number(left)}" y="{number(base)}" textLength="{number(width * CELL_WIDTH)}" '
        f'lengthAdjust="spacingAndGlyphs" fill="{colour}"{more}>{escape(words, quote=False)}</text>'
    )


def pieces(row_cells):
    """Neighbours of one style: words with single blanks between them."""
    piece = []
    for cell in row_cells:
        column, character, _, style = cell
        joins = piece and style == piece[-1][3] and column == piece[-1][0] + piece[-1][2]
        if piece and (not joins or character == " " == piece[-1][1]):
            yield piece
            piece = []
        piece.append(cell)
    if piece:
        yield piece


def backgrounds(row_cells, row):
    """One rectangle for neighbours of one colour: between two there would be a seam."""
    for colour, group in groupby(row_cells, lambda cell: cell[3].colours()[1]):
        group = list(group)
        if colour != BACKGROUND:
            left, width = group[0][0], group[-1][0] + group[-1][2] - group[0][0]
            top = BAR + row * CELL_HEIGHT
            yield rectangle(MARGIN + left * CELL_WIDTH, top, width * CELL_WIDTH, CELL_HEIGHT, colour)


def row_svg(row_cells, row):
    parts = list(backgrounds(row_cells, row))
    for piece in pieces(row_cells):
        style, words = piece[0][3], []
        for cell in piece:
            shape = drawn(cell[1], cell[0], row, style.colours()[0])
            if shape:
                parts.append(shape)
            if shape or (cell[1] == " " and not words):
                parts += flushed(words, row, style)
                words = []
            else:
                words.append(cell)
        parts += flushed(words, row, style)
    return "".join(parts)


def flushed(words, row, style):
    while words and words[-1][1] == " ":
        words = words[:-1]
    if not words:
        return []
    column = words[0][0]
    width = words[-1][0] + words[-1][2] - column
    return [text("".join(cell[1] for cell in words), column, width, row, style)]


def svg(capture, columns, rows, title):
    """The whole picture: a window with that title around the cells."""
    width, height = 2 * MARGIN + columns * CELL_WIDTH, BAR + rows * CELL_HEIGHT + MARGIN
    lights = "".join(
        f'<circle cx="{20 + 20 * at}" cy="{BAR / 2 - 1:g}" r="6" fill="{colour}"/>' for at, colour in enumerate(LIGHTS)
    )
    lines, style = [], Style()
    for row, line in enumerate(capture.split("\n")[:rows]):
        found, style = cells(line, style)
        drawn_row = row_svg(found, row)
        if drawn_row:
            lines.append(drawn_row)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(width)} {number(height)}" '
        f'width="{number(width)}" height="{number(height)}" role="img" aria-label="{escape(title)}" '
        f'font-family="{FONTS}" font-size="{FONT_SIZE}" stroke-width="1.2">'
    )
    frame = (
        f'<rect x=".5" y=".5" width="{number(width - 1)}" height="{number(height - 1)}" rx="9" '
        f'fill="{BACKGROUND}" stroke="{FRAME}"/>'
    )
    name = (
        f'<text x="{number(width / 2)}" y="{BAR / 2 + 4:g}" text-anchor="middle" fill="{TITLE}" '
        f'font-size="13">{escape(title, quote=False)}</text>'
    )
    return "\n".join([head, f"<title>{escape(title, quote=False)}</title>", frame, lights, name, *lines, "</svg>\n"])
