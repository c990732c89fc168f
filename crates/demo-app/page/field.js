// A field of squares, each one a request that was answered.
//
// A column is as many requests as it has rows, sorted by version, so that the
// field reads like a chart of shares drawn in requests. Newest at the right.
// Only the column that fills is drawn anew; when it is full the picture moves
// over by one, in one copy.

const KINDS = ["ok", "late", "error", "none"];
const FAMOUS = ["blue", "yellow", "green", "red", "orange", "purple", "pink", "teal", "grey"];
// Columns kept to draw the field again when its size or the theme changes.
const MOST_COLUMNS = 240;
// More versions than that are somebody's joke: they share a name.
const MOST_NAMES = 32;

const style = getComputedStyle(document.documentElement);

// The name of a CSS colour for a version: that of its bare colour, else one
// of them by its letters, always the same.
export function colorOf(version) {
  const bare = String(version).split("-").pop().replace("gray", "grey");
  if (FAMOUS.includes(bare)) return `var(--v-${bare})`;
  if (bare === "black" || bare === "white") return "var(--ink)";
  let sum = 0;
  for (const letter of String(version)) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  return `var(--v-${FAMOUS[sum % FAMOUS.length]})`;
}

// A canvas knows no variables.
const plain = (color) => {
  const name = /^var\((--[\w-]+)\)$/.exec(color);
  return name ? style.getPropertyValue(name[1]).trim() : color;
};

export class Field {
  #canvas; #pen; #names = []; #colors = new Map(); #columns = []; #filling = [];
  #cell = 0; #rows; #across = 0; #moves = 0; #scheduled = false;

  // `order` lists versions from the bottom up; others come on top of them by
  // their names, so that a field looks the same after a reload. `paint` gives
  // a version its CSS colour.
  constructor(canvas, { rows = 16, order = [], paint = colorOf } = {}) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d", { alpha: false });
    this.#rows = rows;
    this.order = order;
    this.paint = paint;
    new ResizeObserver(() => this.#measure()).observe(canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
    this.#measure();
  }

  add(version, kind) {
    let at = this.#names.indexOf(version);
    if (at < 0 && this.#names.length >= MOST_NAMES) at = MOST_NAMES - 1;
    if (at < 0) at = this.#names.push(version) - 1;
    this.#filling.push(at * KINDS.length + KINDS.indexOf(kind));
    if (this.#filling.length >= this.#rows) {
      this.#columns.push(this.#sorted());
      if (this.#columns.length > MOST_COLUMNS) this.#columns.shift();
      this.#filling = [];
      this.#moves += 1;
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      requestAnimationFrame(() => this.#frame());
    }
  }

  #sorted() {
    const rank = (version) => {
      const at = this.order.indexOf(version);
      return at < 0 ? this.order.length : at;
    };
    const version = (code) => this.#names[Math.floor(code / KINDS.length)];
    return [...this.#filling].sort((a, b) => {
      const [one, other] = [version(a), version(b)];
      return rank(one) - rank(other) || (one < other ? -1 : one > other ? 1 : a - b);
    });
  }

  // Asked of the style sheet once: a question may cost a layout.
  #color(color) {
    let found = this.#colors.get(color);
    if (!found) {
      found = plain(color);
      this.#colors.set(color, found);
    }
    return found;
  }

  // All of it, in the colours of now.
  repaint() {
    this.#colors.clear();
    this.#moves = 0;
    const pen = this.#pen;
    pen.fillStyle = this.#color("var(--well)");
    pen.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    const last = this.#columns.length;
    for (let back = 1; back < this.#across; back += 1) {
      this.#column(this.#columns[last - back] ?? [], this.#across - 1 - back);
    }
    this.#fill();
  }

  #measure() {
    const width = Math.floor(this.#canvas.parentElement.clientWidth);
    if (!width) return;
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const cell = Math.max(12, Math.min(28, Math.floor(width / 58)));
    const rows = width < 600 ? 12 : 16;
    const across = Math.max(4, Math.floor((width - 8) / cell));
    if (rows !== this.#rows) {
      this.#rows = rows;
      this.#columns = [];
      this.#filling = [];
    }
    this.#cell = Math.round(cell * ratio);
    this.#across = across;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round((rows * cell + 8) * ratio);
    this.#canvas.style.aspectRatio = `${this.#canvas.width} / ${this.#canvas.height}`;
    this.repaint();
  }

  #frame() {
    this.#scheduled = false;
    if (this.#moves >= this.#across) {
      this.repaint();
      return;
    }
    if (this.#moves > 0) {
      const { width, height } = this.#canvas;
      const by = this.#moves * this.#cell;
      const from = this.#left();
      this.#pen.drawImage(this.#canvas, from + by, 0, width - from - by, height, from, 0, width - from - by, height);
      const last = this.#columns.length;
      for (let back = this.#moves; back >= 1; back -= 1) {
        this.#column(this.#columns[last - back], this.#across - 1 - back);
      }
      this.#moves = 0;
    }
    this.#fill();
  }

  #fill() {
    this.#column(this.#sorted(), this.#across - 1);
  }

  // Where the first column starts: all are moved to the right edge.
  #left() {
    return this.#canvas.width - this.#across * this.#cell - Math.round(this.#cell / 5);
  }

  #column(codes, at) {
    const pen = this.#pen;
    const size = this.#cell;
    const x = this.#left() + at * size;
    pen.fillStyle = this.#color("var(--well)");
    pen.fillRect(x, 0, size, this.#canvas.height);
    const inner = size - Math.max(1, Math.round(size / 9));
    const bottom = this.#canvas.height - Math.round(size / 5);
    for (let row = 0; row < this.#rows; row += 1) {
      const y = bottom - (row + 1) * size;
      if (row < codes.length) {
        const version = this.#names[Math.floor(codes[row] / KINDS.length)];
        this.#square(x, y, inner, version, KINDS[codes[row] % KINDS.length]);
      } else {
        pen.fillStyle = this.#color("var(--ghost)");
        pen.fillRect(x, y, inner, inner);
      }
    }
  }

  #square(x, y, size, version, kind) {
    const pen = this.#pen;
    const color = this.#color(this.paint(version));
    const line = Math.max(1, Math.round(size / 8));
    if (kind === "ok") {
      pen.fillStyle = color;
      pen.fillRect(x, y, size, size);
    } else if (kind === "late") {
      // An outline, half full.
      pen.fillStyle = color;
      pen.fillRect(x, y, size, size);
      pen.fillStyle = this.#color("var(--well)");
      pen.fillRect(x + line, y + line, size - 2 * line, Math.round(size / 2) - line);
    } else if (kind === "error") {
      // Ink in a frame of the version's colour, crossed out.
      pen.fillStyle = color;
      pen.fillRect(x, y, size, size);
      pen.fillStyle = this.#color("var(--ink)");
      pen.fillRect(x + line, y + line, size - 2 * line, size - 2 * line);
      const arm = Math.round(size / 3.4);
      pen.strokeStyle = this.#color("var(--paper)");
      pen.lineWidth = line;
      pen.beginPath();
      pen.moveTo(x + arm, y + arm);
      pen.lineTo(x + size - arm, y + size - arm);
      pen.moveTo(x + size - arm, y + arm);
      pen.lineTo(x + arm, y + size - arm);
      pen.stroke();
    } else {
      // Nobody answered: an empty outline.
      pen.strokeStyle = this.#color("var(--soft)");
      pen.lineWidth = line;
      pen.strokeRect(x + line / 2, y + line / 2, size - line, size - line);
    }
  }
}
